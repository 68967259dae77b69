#include "client/status_file.hpp"

#include <fcntl.h>

#include <cerrno>
#include <cstring>

#include "client/output.hpp"
#include "client/relay_output.hpp"

namespace runwire {
namespace {

constexpr mode_t kMode = 0666;  // the umask decides

std::string object_or_null(std::string_view json) { return json.empty() ? "null" : on_one_line(json); }

}  // namespace

Result<StatusFile> StatusFile::open(const std::string& path) {
  if (path.empty()) return StatusFile(UniqueFd(), "");
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kMode));
  if (!fd)
    return Error{Errc::io, "--status-file " + path + ": " + std::strerror(errno) +
                               "; nothing was run, name a file that can be written"};
  return StatusFile(std::move(fd), path);
}

Status StatusFile::write(int status, std::string_view exit_json, std::string_view error_json) {
  if (!fd_) return Ok{};
  const std::string line = "{\"status\":" + std::to_string(status) +
                           ",\"exit\":" + object_or_null(exit_json) +
                           ",\"error\":" + object_or_null(error_json) + "}\n";
  const auto written = write_fully(fd_.get(), line, "--status-file " + path_);
  if (written) return written;
  return Error{Errc::io, written.error().message + "; how the command ended is not written there"};
}

}  // namespace runwire
