// Command after command from standard input: a prompt on a terminal, a list of commands otherwise.
#pragma once

#include "client/command_request.hpp"

namespace runwire {

// On a terminal: prompt, editing and history where there is libedit, Ctrl-C forgets the line or goes to the running
// command, Ctrl-D leaves, failures are said and the next command connects again.
// Anything else on stdin: each line is a command, and the first failure of our own ends it, because nobody is there to
// look at it and the lines after it may build on what was not done.
// Blank lines are passed over. `request` is for each line, which takes the place of its words and gets no stdin;
// `plain`: in the plain protocol.
// Result: the last command's exit status, 0 if there was none; kOwnFailureStatus after a failure of our own that ends
// it, as that there is no connection to begin with.
int run_prompt(const CommandRequest& request, bool plain);

}  // namespace runwire
