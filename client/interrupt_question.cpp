#include "client/interrupt_question.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <optional>
#include <string_view>
#include <vector>

#include "client/output.hpp"
#include "client/terminal_mode.hpp"
#include "client/unique_fd.hpp"

namespace runwire {
namespace {

constexpr std::string_view kQuestion =
    "runwire: interrupt the command (i), detach (d), or go on (any other key)? ";

// Absent: a signal that wants an end came first. Others are put by.
std::optional<char> await_key(int terminal, Signals& signals, std::vector<int>& others) {
  for (;;) {
    pollfd watched[] = {{terminal, POLLIN, 0}, {signals.fd(), POLLIN, 0}};
    if (::poll(watched, 2, -1) < 0) continue;
    const int number = watched[1].revents != 0 ? signals.next() : 0;
    if (number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT) return std::nullopt;
    if (number != 0) others.push_back(number);
    char key = 0;
    if (watched[0].revents != 0) return ::read(terminal, &key, 1) == 1 ? std::optional(key) : std::nullopt;
  }
}

}  // namespace

std::optional<InterruptMeaning> ask_for_meaning(Signals& signals, bool amid_line) {
  const UniqueFd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC));
  const bool is_ours = terminal && ::tcgetpgrp(terminal.get()) == ::getpgrp();
  if (!is_ours) return std::nullopt;
  const KeyByKey mode(terminal.get());
  (void)write_fully(terminal.get(), amid_line ? "\n" : kClearLine,
                    "/dev/tty");  // it may show the key that has asked
  (void)write_fully(terminal.get(), kQuestion, "/dev/tty");
  std::vector<int> others;
  const auto key = await_key(terminal.get(), signals, others);
  (void)write_fully(terminal.get(), "\n", "/dev/tty");
  for (const int number : others) ::raise(number);
  if (!key || *key == 'd' || mode.interrupts(*key)) return InterruptMeaning::detach;
  return *key == 'i' ? InterruptMeaning::interrupt : InterruptMeaning::nothing;
}

}  // namespace runwire
