// Runs one command on a server, or follows one that is kept there, and stands between it and this program's stdin,
// stdout, stderr and signals.
#pragma once

#include "client/command_request.hpp"
#include "client/job_request.hpp"

namespace runwire {

// Result: what this program is to exit with: the command's status, 128 + n for signal n, 127 or 126 where there was no
// program or it can't be run, 124 for a timeout, 255 for any failure that is not the command's, which it says on
// stderr. Of one that detaches: 0 once it runs, and its id is on stdout.
int run_command(const CommandRequest& request);

// For the verbs attach, wait and logs. Result: as of run_command(), but for logs 0.
int follow_command(const CommandRequest& request, const JobRequest& job);

}  // namespace runwire
