#include "client/output.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "client/printable.hpp"

namespace runwire {

void occupy_standard_descriptors() {
  // The wrong way round on purpose: reading from what was a closed stdin, and writing to what was a closed
  // stdout, must fail with EBADF as before. Source: gnulib's stdopen.
  for (int fd = 0; fd <= 2; ++fd)
    if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF) ::open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

Status write_fully(int fd, std::string_view bytes, std::string_view name) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      pollfd room = {fd, POLLOUT, 0};
      ::poll(&room, 1, -1);
    } else if (errno != EINTR) {
      const std::string why = std::string(name) + ": " + std::strerror(errno);
      return Error{Errc::io, why + "; the rest of the output is lost, and the command's exit status with it"};
    }
  }
  return Ok{};
}

void say(std::string_view text) {
  (void)write_fully(STDERR_FILENO, "runwire: " + printable(text) + "\n", "stderr");
}

}  // namespace runwire
