#include "client/output.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string>

#include "client/printable.hpp"

namespace runwire {
namespace {

enum class Room { there, interrupted };

Room await_room(int fd, int interrupt_fd) {
  pollfd watched[] = {{fd, POLLOUT, 0}, {interrupt_fd, POLLIN, 0}};  // poll ignores a negative fd
  while (::poll(watched, 2, -1) < 0 && errno == EINTR) {
  }
  return watched[1].revents != 0 ? Room::interrupted : Room::there;
}

}  // namespace

void occupy_standard_descriptors(bool drops_stdout) {
  // The wrong way round on purpose where it must fail with EBADF as before. Source: gnulib's stdopen.
  const int modes[] = {O_WRONLY, drops_stdout ? O_RDWR : O_RDONLY, O_RDWR};
  for (int fd = 0; fd <= 2; ++fd)
    if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF) ::open("/dev/null", modes[fd]);
}

Status write_fully(int fd, std::string_view bytes, std::string_view name, int interrupt_fd) {
  while (!bytes.empty()) {
    if (interrupt_fd >= 0 && await_room(fd, interrupt_fd) == Room::interrupted)
      return Error{Errc::closed, "interrupted"};
    // More than a pipe takes at once would wait in write(2), where nobody looks for an interrupt.
    const std::size_t size = interrupt_fd < 0 ? bytes.size() : std::min<std::size_t>(bytes.size(), PIPE_BUF);
    const ssize_t n = ::write(fd, bytes.data(), size);
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      await_room(fd, interrupt_fd);
    } else if (errno != EINTR) {
      return Error{Errc::io, std::string(name) + ": " + std::strerror(errno), errno};
    }
  }
  return Ok{};
}

void end_by_broken_pipe() {
  ::signal(SIGPIPE, SIG_DFL);
  ::raise(SIGPIPE);
}

std::string line_of_ours(std::string_view text) { return "runwire: " + printable(text) + "\n"; }

void say(std::string_view text) { (void)write_fully(STDERR_FILENO, line_of_ours(text), "stderr"); }

}  // namespace runwire
