// runwire's command line: words in, a decision out. Nothing is connected, printed or read here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "client/command_request.hpp"
#include "client/remote_shell.hpp"
#include "proto/result.hpp"

namespace runwire {

// What the command line takes from the process around it.
struct Environment {
  std::string runwire_host;     // RUNWIRE_HOST; empty: unset
  std::string xdg_runtime_dir;  // XDG_RUNTIME_DIR; empty: unset
  unsigned uid = 0;
};

struct Invocation {
  enum Task { run_line, prompt, help, version } task = prompt;
  bool plain = false;  // in the plain protocol
  RemoteShell::Options options;
  std::string line;        // of run_line in the plain protocol; check_shell_line() has passed it
  CommandRequest request;  // of run_line otherwise
};

// `words` is argv without the program's name. ERRORS: invalid_argument, with the next step.
Result<Invocation> parse_command_line(const std::vector<std::string>& words, const Environment& environment);

std::string_view help_text();

}  // namespace runwire
