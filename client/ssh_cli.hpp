// The command line of runwire-ssh, the same program under a name that programs which call ssh can be given.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "client/invocation.hpp"
#include "proto/result.hpp"

namespace runwire {

// Was the program called as runwire-ssh, or as ssh itself? `program` is argv[0], with or without a directory.
bool is_ssh_name(std::string_view program);

// `words` is argv without the program's name. The command is a line for the shell, its output is waited for as ssh
// does (linger `wait`); no command is a shell that reads stdin. A subsystem is known: sftp.
// ERRORS: as parse_command_line().
Result<Invocation> parse_ssh_command_line(const std::vector<std::string>& words,
                                          const Environment& environment);

}  // namespace runwire
