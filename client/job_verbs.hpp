// The verbs about kept commands: each asks a server, and says what comes of it.
#pragma once

#include "client/command_request.hpp"
#include "client/job_request.hpp"

namespace runwire {

// Result: what this program is to exit with: of attach and wait as follow_command(); else 0, or 255 where it failed, of
// one of the commands at least; it is said on stderr why.
int run_job_verb(const CommandRequest& request, const JobRequest& job);

}  // namespace runwire
