#include "client/interrupt_question.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <optional>
#include <string_view>
#include <vector>

#include "client/output.hpp"
#include "client/unique_fd.hpp"

namespace runwire {
namespace {

constexpr std::string_view kQuestion =
    "runwire: interrupt the command (i), detach (d), or go on (any other key)? ";

// While it lives, a key can be read as soon as it is pressed, and lines that are written end as such. Ctrl-C is a signal, or
// a key, as it was.
class KeyByKey {
 public:
  explicit KeyByKey(int terminal) : terminal_(terminal), is_set_(::tcgetattr(terminal, &before_) == 0) {
    if (!is_set_) return;
    termios now = before_;
    now.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    now.c_oflag |= static_cast<tcflag_t>(OPOST | ONLCR);
    now.c_cc[VMIN] = 1;
    now.c_cc[VTIME] = 0;
    ::tcsetattr(terminal_, TCSADRAIN, &now);
  }
  KeyByKey(const KeyByKey&) = delete;
  KeyByKey& operator=(const KeyByKey&) = delete;
  ~KeyByKey() {
    if (is_set_) ::tcsetattr(terminal_, TCSADRAIN, &before_);
  }

  bool interrupts(char key) const { return is_set_ && static_cast<cc_t>(key) == before_.c_cc[VINTR]; }

 private:
  int terminal_;
  termios before_ = {};
  bool is_set_;
};

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
