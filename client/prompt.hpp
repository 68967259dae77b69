// Command after command from standard input: a prompt on a terminal, a list of commands otherwise.
#pragma once

#include <functional>

#include "client/line_reader.hpp"
#include "client/remote_shell.hpp"

namespace runwire {

// Runs every line that is not blank until the end. Result: the last command's exit status, 0 if there was none.
// `gives_up`: the first failure of our own ends it with kOwnFailureStatus, because nobody is there to look at it
// and the lines after it may build on what was not done.
int run_lines(RemoteShell& shell, const std::function<Result<Line>()>& next_line, bool gives_up);

// On a terminal: prompt, editing and history where there is libedit, Ctrl-C forgets the line or ends the running
// command, Ctrl-D leaves, failures are said and the next command connects again.
// Anything else on stdin: each line is a command, and the first failure of our own ends it.
// Result: as run_lines(); kOwnFailureStatus where there is no connection to begin with.
int run_prompt(RemoteShell::Options options);

}  // namespace runwire
