// How a command's bytes become words for a shell.
#pragma once

#include <string>
#include <vector>

#include "proto/result.hpp"

namespace runwire {

// Linux refuses a single argument of 128 KiB and more (execve(2), MAX_ARG_STRLEN).
inline constexpr std::size_t kMaxArgumentBytes = 120 * 1024;
inline constexpr int kScriptFd = 3;

struct ShellCall {
  std::vector<std::string> argv;
  int script_fd = -1;  // to be the child's descriptor kScriptFd; owned by the receiver; -1: none
};

// `SHELL -c COMMAND`, as popen(3) and Python's shell=True do it. A longer command is put into an unnamed file
// in `script_dir`, which the shell reads and evaluates; the shell closes it before the command's first word runs.
// ERRORS: Errc::io where that file can't be written; its errno_value is not 0.
Result<ShellCall> shell_call(const std::string& shell, const std::string& command,
                             const std::string& script_dir);

}  // namespace runwire
