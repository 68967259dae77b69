// Runs one command on a server and stands between it and this program's stdin, stdout, stderr and signals.
#pragma once

#include "client/command_request.hpp"

namespace runwire {

// Result: what this program is to exit with: the command's status, 128 + n for signal n, 127 or 126 where there was no
// program or it can't be run, 124 for a timeout, 255 for any failure that is not the command's, which it says on stderr.
int run_command(const CommandRequest& request);

}  // namespace runwire
