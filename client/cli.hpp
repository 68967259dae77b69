// runwire's command line: words in, a decision out. Nothing is connected or printed here, and nothing read but what
// the environment offers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "client/invocation.hpp"
#include "client/remote_shell.hpp"
#include "proto/result.hpp"

namespace runwire {

// `words` is argv without the program's name. ERRORS: with the next step; io where hosts.toml can't be read, else
// invalid_argument.
Result<Invocation> parse_command_line(const std::vector<std::string>& words, const Environment& environment);

// The request, for a shell of the original protocol.
RemoteShell::Options plain_options(const CommandRequest& request);

std::string_view help_text();

}  // namespace runwire
