#include "client/interrupt.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace runwire {
namespace {

volatile sig_atomic_t g_write_end = -1;  // all that a signal handler can know

// The self-pipe (D. J. Bernstein): a signal between a look at a flag and the wait would be missed, a byte is not.
void on_interrupt(int) {
  const int saved = errno;
  [[maybe_unused]] const ssize_t n = ::write(g_write_end, "", 1);
  errno = saved;
}

void set_private_and_non_blocking(int fd) {
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  ::fcntl(fd, F_SETFL, O_NONBLOCK);
}

}  // namespace

Result<Interrupt> Interrupt::install() {
  int ends[2];
  if (::pipe(ends) < 0) return Error{Errc::io, std::string("pipe: ") + std::strerror(errno)};
  for (const int fd : ends) set_private_and_non_blocking(fd);
  return Interrupt(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

Interrupt::Interrupt(UniqueFd read_end, UniqueFd write_end)
    : read_end_(std::move(read_end)), write_end_(std::move(write_end)) {
  g_write_end = write_end_.get();
  struct sigaction action = {};
  action.sa_handler = on_interrupt;
  ::sigaction(SIGINT, &action, &before_);
}

Interrupt::Interrupt(Interrupt&& other) noexcept
    : read_end_(std::move(other.read_end_)),
      write_end_(std::move(other.write_end_)),
      before_(other.before_) {}

Interrupt::~Interrupt() {
  if (read_end_) ::sigaction(SIGINT, &before_, nullptr);
}

bool Interrupt::take() {
  char bytes[64];
  bool any = false;
  while (::read(read_end_.get(), bytes, sizeof bytes) > 0) any = true;
  return any;
}

}  // namespace runwire
