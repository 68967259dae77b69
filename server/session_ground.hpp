// What the parts of one session stand on.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "proto/session_message.hpp"
#include "server/job_table.hpp"
#include "server/memory_budget.hpp"
#include "server/recent_ids.hpp"
#include "server/session_output.hpp"

namespace runwire {

class KeptJobs;

// What all sessions share.
struct SessionContext {
  JobTable& jobs;
  KeptJobs& kept;
  OutputStore& store;
  MemoryBudget& requests;    // for starts that are not yet whole, or whose commands wait
  MemoryBudget& inputs;      // for stdin that waits for commands
  std::size_t max_replies;   // whole ones of a session, from their start until they have left
  const ServerHello& hello;  // what every client is told
};

struct SessionGround {
  const ConnectionId client;
  const SessionContext context;
  SessionOutput output;
  RecentIds ended;  // commands that have had their last frame
  // Ends the session with one error frame, its last.
  std::function<void(std::string_view error, std::string message)> fail;
  // A part of the session has nothing to say any more.
  std::function<void()> on_idle;
  std::optional<std::uint64_t> window = {};  // of each output; none: as the connection takes it
  bool is_over = false;                      // nothing more is said

  // The last answer to a start.
  void refuse(const std::string& id, ErrorReply error);
  // Whether a window, of which so much is left, may have that credit; else the session is at its end.
  bool may_be_credited(std::uint64_t left, const Credit& credit);
};

// So long the news of a start may wait for other news of the command.
inline constexpr unsigned kTellMs = 3;
// Credit for input is worth a frame from here on.
inline constexpr std::uint64_t kCreditBytes = kStdinWindowBytes / 2;

}  // namespace runwire
