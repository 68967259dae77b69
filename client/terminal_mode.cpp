#include "client/terminal_mode.hpp"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

namespace runwire {
namespace {

// For exit(3), which destroys no objects, and for signal handlers.
volatile sig_atomic_t g_terminal = -1;  // -1: there is none
volatile sig_atomic_t g_is_changed = 0;
termios g_before;
termios g_wanted;  // while it is changed

// Those that end a program which does nothing about them, but for the ones that Signals makes events of.
constexpr int kDeadly[] = {
    SIGABRT,   SIGALRM, SIGBUS,  SIGFPE,    SIGILL,  SIGPROF,
    SIGSEGV,   SIGSYS,  SIGTRAP, SIGVTALRM, SIGXCPU, SIGXFSZ,
#ifdef SIGPOLL  // SIGIO; where there is only that it ends nothing
    SIGPOLL,
#endif
#ifdef SIGPWR
    SIGPWR,
#endif
#ifdef SIGSTKFLT
    SIGSTKFLT,
#endif
};
struct sigaction g_actions[NSIG];  // as they were

template <class Function> void for_each_deadly(const Function& function) {
  for (const int number : kDeadly) function(number);
#ifdef SIGRTMIN
  for (int number = SIGRTMIN; number <= SIGRTMAX; ++number) function(number);
#endif
}

// Who is in the background would be stopped for touching it.
bool is_ours(int terminal) {
  const pid_t group = ::tcgetpgrp(terminal);
  return group < 0 || group == ::getpgrp();
}

// tcsetattr(3) and all else here may be called in a signal handler.
void set_as_before(int when) {
  if (g_is_changed != 0 && is_ours(g_terminal)) ::tcsetattr(g_terminal, when, &g_before);
}

void restore_at_exit() { set_as_before(TCSADRAIN); }

void set_as_wanted() {
  if (g_is_changed != 0 && is_ours(g_terminal)) ::tcsetattr(g_terminal, TCSADRAIN, &g_wanted);
}

// The system leaves alone what SIGTSTP finds in a job that no shell looks after.
void stop(pid_t whom) {
  set_as_before(TCSADRAIN);
  struct sigaction usual = {}, ours = {};
  usual.sa_handler = SIG_DFL;
  ::sigaction(SIGTSTP, &usual, &ours);
  ::kill(whom, SIGTSTP);
  ::sigaction(SIGTSTP, &ours, nullptr);
  set_as_wanted();
}

void stop_us(int) { stop(::getpid()); }

// What would have been done about the signal is done then.
void restore_and_die(int number) {
  set_as_before(TCSANOW);
  ::sigaction(number, &g_actions[number], nullptr);
  ::raise(number);
}

void catch_deadly_signals() {
  struct sigaction action = {};
  action.sa_handler = restore_and_die;
  for_each_deadly([&action](int number) {
    ::sigaction(number, nullptr, &g_actions[number]);
    const bool is_ignored =
        (g_actions[number].sa_flags & SA_SIGINFO) == 0 && g_actions[number].sa_handler == SIG_IGN;
    if (!is_ignored) ::sigaction(number, &action, nullptr);
  });
}

void leave_deadly_signals() {
  for_each_deadly([](int number) { ::sigaction(number, &g_actions[number], nullptr); });
}

void change(const termios& wanted) {
  [[maybe_unused]] static const int registered = std::atexit(restore_at_exit);
  if (g_is_changed == 0) catch_deadly_signals();
  g_wanted = wanted;
  g_is_changed = 1;
  set_as_wanted();
}

void change_back() {
  set_as_before(TCSADRAIN);
  if (g_is_changed != 0) leave_deadly_signals();
  g_is_changed = 0;
}

}  // namespace

TerminalMode::TerminalMode(int fd) {
  if (::tcgetattr(fd, &g_before) == 0) g_terminal = fd;
}

TerminalMode::~TerminalMode() {
  restore();
  g_terminal = -1;
}

bool TerminalMode::is_there() const { return g_terminal >= 0; }

void TerminalMode::make_raw() {
  if (!is_there() || is_raw()) return;
  termios raw = g_before;
  ::cfmakeraw(&raw);
  change(raw);
}

void TerminalMode::restore() { change_back(); }

bool TerminalMode::is_raw() const { return g_is_changed != 0; }

std::optional<char> TerminalMode::interrupt_key() const {
  const cc_t key = g_before.c_cc[VINTR];
  return is_there() && key != _POSIX_VDISABLE ? std::optional(static_cast<char>(key)) : std::nullopt;
}

void TerminalMode::stop_program() {
  set_as_before(TCSADRAIN);
  ::raise(SIGSTOP);
  set_as_wanted();
}

// A parent in another group of the same session does so. Where ours is of our group, a script that a shell has started,
// it cannot be known.
bool TerminalMode::is_job_of_shell() const {
  const pid_t parent = ::getppid();
  return ::getpgid(parent) != ::getpgrp() && ::getsid(parent) == ::getsid(0);
}

void TerminalMode::stop_job() { stop(0); }

void TerminalMode::resume() { set_as_wanted(); }

KeyByKey::KeyByKey(int terminal)
    : was_changed_(g_is_changed != 0), terminal_(g_terminal), before_(g_before), wanted_(g_wanted) {
  termios now = {};
  is_set_ = ::tcgetattr(terminal, &now) == 0;
  if (!is_set_) return;
  interrupt_key_ = now.c_cc[VINTR];
  if (!was_changed_) {
    g_terminal = terminal;
    g_before = now;
  }
  now.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
  now.c_oflag |= static_cast<tcflag_t>(OPOST | ONLCR);
  now.c_cc[VMIN] = 1;
  now.c_cc[VTIME] = 0;
  change(now);
  catch_stop();
}

// Who makes an event of it sees to it himself.
void KeyByKey::catch_stop() {
  ::sigaction(SIGTSTP, nullptr, &stop_before_);
  catches_stop_ = (stop_before_.sa_flags & SA_SIGINFO) == 0 && stop_before_.sa_handler == SIG_DFL;
  struct sigaction action = {};
  action.sa_handler = stop_us;
  action.sa_flags = SA_NODEFER;  // it is to stop us then
  if (catches_stop_) ::sigaction(SIGTSTP, &action, nullptr);
}

KeyByKey::~KeyByKey() {
  if (!is_set_) return;
  if (catches_stop_) ::sigaction(SIGTSTP, &stop_before_, nullptr);
  if (was_changed_) {
    change(wanted_);
  } else {
    change_back();
    g_terminal = terminal_;
    g_before = before_;
  }
}

bool KeyByKey::interrupts(char key) const { return is_set_ && static_cast<cc_t>(key) == interrupt_key_; }

std::optional<PtySize> window_size() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    winsize window = {};
    if (::ioctl(fd, TIOCGWINSZ, &window) == 0 && window.ws_row > 0 && window.ws_col > 0)
      return PtySize{window.ws_row, window.ws_col};
  }
  return std::nullopt;
}

}  // namespace runwire
