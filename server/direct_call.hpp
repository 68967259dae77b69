// Which commands need no shell: plain words whose first is a program. Reading a command's words and finding a
// program is most of what `sh -c` does for them, and starting the shell costs as much as starting the program.
//
// Source: GNU make runs a recipe line without a shell when it holds no shell syntax and no shell command
// (construct_command_argv in job.c). Whatever is doubtful is left to the shell, and so is a program that cannot be
// executed: the shell then finds the words, and the status, to say so.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace runwire {

struct DirectCall {
  std::vector<std::string>
      paths;  // to be tried in turn, as the shell searches PATH; empty: the shell is needed
  std::vector<std::string> words;
};

class DirectCalls {
 public:
  // Knows what dash does to the environment it passes on; for another shell, or an environment in which dash
  // would change more, every command needs the shell. `environment` is NAME=VALUE words as in environ(7).
  DirectCalls(const std::string& shell, const std::string& cwd, char* const* environment);

  DirectCall plan(std::string_view command) const;

  // The environment for direct calls, as the shell would have passed it on; ends with null. Lives as long as this.
  char* const* environment() const { return environment_.data(); }

 private:
  bool import_environment(char* const* environment, const std::string& cwd);
  std::vector<std::string> search_path(std::string_view program) const;

  bool possible_ = false;
  std::vector<std::string> path_;  // the directories of PATH
  std::vector<std::string> variables_;
  std::vector<char*> environment_;  // points into variables_
};

}  // namespace runwire
