// Finding the program of a command that is run without a shell, as execvp(3) does it, but by the PATH of the
// environment that the command will have and from the directory that it will be in.
#pragma once

#include <cerrno>
#include <string>
#include <vector>

namespace runwire {

// Where PATH is not set.
inline constexpr const char* kDefaultPath = "/usr/local/bin:/usr/bin:/bin";

struct ProgramSearch {
  std::vector<std::string>
      paths;     // to be tried in turn; each has a slash in it, so that nobody looks any further
  bool by_path;  // there may be several: PATH was searched
};

ProgramSearch search_for(const std::string& program, char* const* environment);

// Whether a search goes on in the next place where an exec failed so (an errno). Where none is left, it has failed
// with EACCES if that was among them, else with ENOENT.
constexpr bool is_passed_over(int error) {
  return error == ENOENT || error == ENOTDIR || error == EACCES || error == ESTALE || error == ENODEV ||
         error == ETIMEDOUT;
}

// What an exec would find, for a spawner that must know it before.
struct FoundProgram {
  int error;               // an errno; 0: there is one
  std::string path = {};   // where, as it is called from `cwd`
  bool is_script = false;  // it is text without "#!", which exec refuses and a shell can run
};

FoundProgram find_program(const ProgramSearch& search, const std::string& cwd);

}  // namespace runwire
