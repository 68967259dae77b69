#include "server/script.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "server/spill_file.hpp"

namespace runwire {
namespace {

// The redirection closes the file for everything that the command starts.
constexpr const char* kEvaluateFile = R"sh(eval "$(cat <&3)" 3<&-)sh";

Result<int> write_script(const std::string& command, const std::string& dir) {
  auto fd = open_unnamed_file(dir);
  RUNWIRE_TRY(fd);
  std::string_view left = command;
  while (!left.empty()) {
    const ssize_t written = ::write(*fd, left.data(), left.size());
    if (written <= 0) {
      const int cause = written < 0 ? errno : EIO;  // before close() can change it
      close(*fd);
      return Error{Errc::io,
                   "cannot write the command to a temporary file in " + dir + ": " + std::strerror(cause),
                   cause};
    }
    left.remove_prefix(static_cast<std::size_t>(written));
  }
  lseek(*fd, 0, SEEK_SET);
  return fd;
}

}  // namespace

Result<ShellCall> shell_call(const std::string& shell, const std::string& command,
                             const std::string& script_dir) {
  ShellCall call;
  call.argv = {shell, "-c"};
  if (command.size() >= kMaxArgumentBytes) {
    auto script = write_script(command, script_dir);
    RUNWIRE_TRY(script);
    call.script_fd = *script;
    call.argv.emplace_back(kEvaluateFile);
    return call;
  }
  // A shell would take "-x" or "+x" for options of its own.
  if (command.starts_with('-') || command.starts_with('+')) call.argv.emplace_back("--");
  call.argv.push_back(command);
  return call;
}

}  // namespace runwire
