#include "client/signals.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace runwire {
namespace {

volatile sig_atomic_t g_write_end = -1;  // all that a signal handler can know

// The self-pipe (D. J. Bernstein): a signal between a look at a flag and the wait would be missed, a byte is not.
void on_signal(int number) {
  const int saved = errno;
  const char byte = static_cast<char>(number);
  [[maybe_unused]] const ssize_t n = ::write(g_write_end, &byte, 1);
  errno = saved;
}

void set_private_and_non_blocking(int fd) {
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  ::fcntl(fd, F_SETFL, O_NONBLOCK);
}

}  // namespace

Result<Signals> Signals::install(std::initializer_list<int> numbers) {
  int ends[2];
  if (::pipe(ends) < 0) return Error{Errc::io, std::string("pipe: ") + std::strerror(errno)};
  for (const int fd : ends) set_private_and_non_blocking(fd);
  Signals signals{UniqueFd(ends[0]), UniqueFd(ends[1])};
  for (const int number : numbers) signals.catch_signal(number);
  return signals;
}

Signals::Signals(UniqueFd read_end, UniqueFd write_end)
    : read_end_(std::move(read_end)), write_end_(std::move(write_end)) {
  g_write_end = write_end_.get();
}

void Signals::catch_signal(int number) {
  Before before = {number, {}};
  ::sigaction(number, nullptr, &before.action);
  if (before.action.sa_handler == SIG_IGN) return;
  struct sigaction action = {};
  action.sa_handler = on_signal;
  ::sigaction(number, &action, nullptr);
  before_.push_back(before);
}

Signals::Signals(Signals&& other) noexcept
    : read_end_(std::move(other.read_end_)),
      write_end_(std::move(other.write_end_)),
      before_(std::exchange(other.before_, {})) {}

Signals::~Signals() {
  for (const Before& before : before_) ::sigaction(before.number, &before.action, nullptr);
}

int Signals::next() {
  char byte = 0;
  return ::read(read_end_.get(), &byte, 1) == 1 ? static_cast<unsigned char>(byte) : 0;
}

bool Signals::take() {
  bool any = false;
  while (next() != 0) any = true;
  return any;
}

}  // namespace runwire
