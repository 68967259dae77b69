// All that a daemon hands to the program which takes its place (see server/successor.hpp), as bytes.
//
// A sequence of frames as on the wire, each a JSON header with named fields and pieces of bytes behind it. What is not
// known is passed over, and what is missing has its default: so a program goes on from what an older one hands over.
// The version is raised with every field without which a command would lose something; then an older program, which
// would pass that over, says at the rehearsal that it can't take over. A command's request stands there as the `start`
// that a client would send.
//
// 2: what was said to a command ahead of its start, its end where that is under way, a terminal's line.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/address.hpp"
#include "proto/result.hpp"
#include "proto/session_message.hpp"
#include "server/output_record.hpp"
#include "server/running_job.hpp"

namespace runwire {

inline constexpr std::uint64_t kHandoverVersion = 2;  // that of what is written
inline constexpr std::uint64_t kOldestHandover = 1;   // that can be read

struct HandedListener {
  Address address;
  int descriptor = -1;
};

// A kept command. Times are uv_hrtime() in ms.
struct HandedJob {
  Start start;       // with its id
  StartWords words;  // only of one that has not run yet
  std::uint64_t request_size = 0;
  std::array<std::uint64_t, 2> request_digest = {0, 0};
  std::string command;  // as a list shows it
  std::string who;
  std::string mark;
  std::uint64_t asked_ms = 0;
  std::uint64_t owner = 0;           // JobTable's name for who asked; 0: not known
  std::optional<std::int64_t> pid;   // once it has run
  std::uint64_t request_memory = 0;  // that it takes until it runs
  SaidAhead said;                    // of one that has not run yet
  std::optional<RunningJob> running;
  std::optional<Exit> exit;         // it has finished ...
  std::optional<ErrorReply> error;  // ... or never ran
  std::uint64_t expires_ms = 0;     // where it has finished
  std::array<OutputRecord::Image, 2> output;
  std::uint64_t input_off = 0;      // place of the next byte that is wanted
  std::uint64_t input_allowed = 0;  // place of the first one that may not come yet
  std::uint64_t input_owed = 0;     // taken by the command, and not yet given as credit
  bool input_ended = false;
  bool input_ended_by_client = false;
};

struct Handover {
  std::string boot;
  std::uint64_t last_job = 0;
  std::uint64_t last_connection = 0;
  std::uint64_t last_made_id = 0;
  std::uint64_t upgrades = 0;  // of this daemon, with the one that comes
  std::uint64_t failed_upgrades = 0;
  int arena = -1;  // the descriptor of the spill arena's file; -1: there is none yet
  std::vector<HandedListener> listeners;
  std::vector<int> silent;            // connections of those who have said nothing yet
  std::vector<std::uint64_t> gone;    // hashes of ids, oldest first
  std::vector<HandedJob> jobs;        // by age
  std::vector<RunningJob> leftovers;  // of commands that are over: pipes that other processes still write to
};

std::string to_image(const Handover& handover);

// ERRORS: Errc::protocol: it is of a version that is not known here, or cut or malformed.
Result<Handover> from_image(std::string_view image);

// Those that the next program must find open.
std::vector<int> descriptors_of(const Handover& handover);

}  // namespace runwire
