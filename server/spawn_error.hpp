// What a client is told of a command that could not be started.
#pragma once

#include "proto/outcome.hpp"
#include "server/spawn.hpp"

namespace runwire {

// What of its start the client chose itself; for messages.
struct JobWishes {
  bool has_program = false;
  bool has_cwd = false;
};

// `busy` where it may go well later, else `spawn`; with the stage, the errno's name and what to do next, by what the
// client wished.
ErrorReply spawn_error(const SpawnFailure& failure, JobWishes wishes);

}  // namespace runwire
