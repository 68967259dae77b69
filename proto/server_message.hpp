// What a server says in a session, as typed values, to and from the JSON headers of its frames. PROTOCOL.md,
// "Sessions", says what each means.
//
// A message with bytes behind it has `len`, their number; others have none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "proto/limits.hpp"
#include "proto/outcome.hpp"
#include "proto/result.hpp"
#include "proto/session_words.hpp"

namespace runwire {

struct SessionLimits {
  std::uint64_t header = kMaxHeaderBytes;
  std::uint64_t payload = kMaxSessionPayloadBytes;  // of one frame, towards the server
  std::uint64_t depth = kMaxHeaderDepth;
  std::uint64_t stdin_window = kStdinWindowBytes;  // so much may be sent ahead of `credit`, for each command
  std::uint64_t keep_ms = kMaxPayloadBytes;        // a longer `keep_ms` counts as this one
};

struct ServerHello {
  std::string boot;    // 128 random bits of this daemon's life, in hex
  std::string server;  // "runwired 0.1.0"; for people
  SessionLimits limits;
  std::uint64_t ping_ms = 0;  // who has heard nothing for so long asks; 0: never
  // How often another program has taken this one's place in this daemon's life, and how often that was in vain.
  // 0: left out.
  std::uint64_t upgrades = 0;
  std::uint64_t failed_upgrades = 0;
};

// Of a kept command: where its streams stand as this client begins to follow it.
struct KeptState {
  std::uint64_t stdout_end = 0;  // so many bytes there have been; what lies before is a replay
  std::uint64_t stderr_end = 0;
  std::uint64_t stdin_off = 0;     // place of the next byte that it wants
  std::uint64_t stdin_window = 0;  // so many may be sent now
  bool stdin_ended = true;         // or it has none
  bool has_terminal = false;       // as its start asked
};

struct Started {
  std::string id;
  std::optional<std::int64_t> pid;     // absent while it waits for its turn
  bool existing = false;               // it had been started before, and is followed from now on
  std::optional<KeptState> kept = {};  // absent where it is not a kept one
};

struct Output {
  std::string id;
  StdStream stream = StdStream::out;
  std::uint64_t off = 0;
  std::uint64_t len = 0;
  bool replay = false;  // it was there before this client followed
};

// These bytes have been given up, and are not sent.
struct Gap {
  std::string id;
  StdStream stream = StdStream::out;
  std::uint64_t from = 0;
  std::uint64_t to = 0;  // place of the first byte behind it
};

// The last frame about a kept command that goes on without this client.
enum class DetachReason { asked, slow };
std::string_view name_of(DetachReason reason);
struct Detached {
  std::string id;
  DetachReason reason = DetachReason::asked;
};

struct Forgotten {
  std::string id;
};

enum class JobPhase { waiting, running, finished };
std::string_view name_of(JobPhase phase);

// One of the kept commands. Counts are as of now.
struct JobInfo {
  std::string id;
  JobPhase phase = JobPhase::waiting;
  std::optional<std::int64_t> pid;
  std::string command;             // for people: escaped, and cut where it is long
  std::string who;                 // where it was asked for: for people
  std::uint64_t age_ms = 0;        // since it was asked for
  std::uint64_t stdout_bytes = 0;  // in all
  std::uint64_t stderr_bytes = 0;
  std::uint64_t clients = 0;                // that follow it
  std::optional<std::uint64_t> expires_ms;  // finished: so long it is still kept
  std::optional<ExitStatus> status;         // finished, and it ran
  std::optional<Reason> reason;
};

// Behind the last JobInfo of a list.
struct Listed {
  std::uint64_t jobs = 0;
};

// The last frame of a command that ran.
struct Exit {
  std::string id;
  ExitStatus status = ExitStatus::exited(255);
  std::optional<bool> core;        // it left one; absent where the daemon cannot know
  std::optional<Reason> reason;    // absent: one that is not known here
  std::uint64_t stdout_bytes = 0;  // in all
  std::uint64_t stderr_bytes = 0;
  bool truncated = false;
  bool cut = false;
  std::optional<std::int64_t> survivors;  // processes that outlived its end; absent where nobody looked
  Usage usage;
  std::uint64_t len = 0;  // reply whole: stdout_bytes + stderr_bytes; else 0
};

// With an id: the last frame of a command that never ran, or the answer to a message about it. Without one: the last
// frame of the session.
struct SessionError {
  std::string id;
  ErrorReply error;
};

using ServerMessage = std::variant<ServerHello, Started, Output, Gap, Exit, SessionError, Detached, Forgotten,
                                   JobInfo, Listed, Stop, Credit, Ping, Pong, Optional>;

std::string to_json(const ServerHello& message);
std::string to_json(const Started& message);
std::string to_json(const Output& message);
std::string to_json(const Gap& message);
std::string to_json(const Exit& message);
std::string to_json(const SessionError& message);
std::string to_json(const Detached& message);
std::string to_json(const Forgotten& message);
std::string to_json(const JobInfo& message);
std::string to_json(const Listed& message);

// ERRORS: Errc::protocol, naming the field or the type; the session is at its end.
Result<ServerMessage> parse_server_message(std::string_view json);

std::uint64_t payload_bytes(const ServerMessage& message);  // what follows the header

}  // namespace runwire
