#include "server/spawn_program.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <string_view>

#include "server/descriptor.hpp"
#include "server/script.hpp"

namespace runwire {
namespace {

std::string_view path_variable(char* const* environment) {
  constexpr std::string_view kName = "PATH=";
  for (; *environment != nullptr; ++environment) {
    const std::string_view word = *environment;
    if (word.starts_with(kName)) return word.substr(kName.size());
  }
  return kDefaultPath;
}

// The shell that may have to run it would take "-x/y" or "+x/y" for options.
std::string as_operand(const std::string& path) {
  return path.starts_with('-') || path.starts_with('+') ? "./" + path : path;
}

int exec_error(const std::string& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) return errno;
  if (!S_ISREG(found.st_mode)) return EACCES;
  return faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

// As bash tells text from what is no program at all: by a first line without NUL. Every program that a system loads
// has NULs at its beginning. What we may not read is left to exec.
bool is_text_without_interpreter(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 128> bytes{};
  const ssize_t size = file.get() < 0 ? -1 : read(file.get(), bytes.data(), bytes.size());
  if (size < 0) return false;
  const std::string_view text(bytes.data(), static_cast<std::size_t>(size));
  return !text.starts_with("#!") && text.substr(0, text.find('\n')).find('\0') == text.npos;
}

}  // namespace

ProgramSearch search_for(const std::string& program, char* const* environment) {
  if (program.find('/') != program.npos) return {{as_operand(program)}, false};
  if (program.empty() || program.size() > NAME_MAX) return {{}, true};
  ProgramSearch search{{}, true};
  // No exec takes a longer variable.
  const std::string_view path = path_variable(environment).substr(0, kMaxArgumentBytes);
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find(':', at), path.size());
    const std::string_view dir = end == at ? "." : path.substr(at, end - at);
    search.paths.push_back(as_operand(std::string(dir) + "/" + program));
    at = end + 1;
  }
  return search;
}

FoundProgram find_program(const ProgramSearch& search, const std::string& cwd) {
  FoundProgram none{ENOENT};
  for (const std::string& path : search.paths) {
    const std::string from_here = path.starts_with('/') ? path : cwd + "/" + path;
    const int error = exec_error(from_here);
    if (error == 0) return {0, path, is_text_without_interpreter(from_here)};
    if (!search.by_path || !is_passed_over(error)) return {error};
    if (error == EACCES) none.error = EACCES;
  }
  return none;
}

}  // namespace runwire
