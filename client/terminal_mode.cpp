#include "client/terminal_mode.hpp"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

namespace runwire {
namespace {

// For exit(3), which destroys no objects, and for signal handlers.
volatile sig_atomic_t g_terminal = -1;  // -1: there is none
volatile sig_atomic_t g_is_raw = 0;
termios g_before;

// Those that end a program which does nothing about them, but for the ones that Signals makes events of.
constexpr int kDeadly[] = {SIGABRT, SIGALRM, SIGBUS,  SIGFPE,    SIGILL,  SIGPROF,
                           SIGSEGV, SIGSYS,  SIGTRAP, SIGVTALRM, SIGXCPU, SIGXFSZ};
struct sigaction g_actions[NSIG];  // as they were

// Who is in the background would be stopped for touching it.
bool is_ours(int terminal) {
  const pid_t group = ::tcgetpgrp(terminal);
  return group < 0 || group == ::getpgrp();
}

// tcsetattr(3) and all else here may be called in a signal handler.
void set_as_before(int when) {
  if (g_is_raw != 0 && is_ours(g_terminal)) ::tcsetattr(g_terminal, when, &g_before);
}

void restore_at_exit() { set_as_before(TCSADRAIN); }

void set_raw() {
  if (g_is_raw == 0 || !is_ours(g_terminal)) return;
  termios raw = g_before;
  ::cfmakeraw(&raw);
  ::tcsetattr(g_terminal, TCSADRAIN, &raw);
}

// What would have been done about the signal is done then.
void restore_and_die(int number) {
  set_as_before(TCSANOW);
  ::sigaction(number, &g_actions[number], nullptr);
  ::raise(number);
}

void catch_deadly_signals() {
  struct sigaction action = {};
  action.sa_handler = restore_and_die;
  for (const int number : kDeadly) {
    ::sigaction(number, nullptr, &g_actions[number]);
    const bool is_ignored =
        (g_actions[number].sa_flags & SA_SIGINFO) == 0 && g_actions[number].sa_handler == SIG_IGN;
    if (!is_ignored) ::sigaction(number, &action, nullptr);
  }
}

void leave_deadly_signals() {
  for (const int number : kDeadly) ::sigaction(number, &g_actions[number], nullptr);
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
  [[maybe_unused]] static const int registered = std::atexit(restore_at_exit);
  catch_deadly_signals();
  g_is_raw = 1;
  set_raw();
}

void TerminalMode::restore() {
  set_as_before(TCSADRAIN);
  if (g_is_raw != 0) leave_deadly_signals();
  g_is_raw = 0;
}

bool TerminalMode::is_raw() const { return g_is_raw != 0; }

std::optional<char> TerminalMode::interrupt_key() const {
  const cc_t key = g_before.c_cc[VINTR];
  return is_there() && key != _POSIX_VDISABLE ? std::optional(static_cast<char>(key)) : std::nullopt;
}

void TerminalMode::stop_program() {
  set_as_before(TCSADRAIN);
  ::raise(SIGSTOP);
  set_raw();
}

// The system leaves alone what SIGTSTP finds in a job that no shell looks after.
void TerminalMode::stop_job() {
  set_as_before(TCSADRAIN);
  struct sigaction usual = {}, ours = {};
  usual.sa_handler = SIG_DFL;
  ::sigaction(SIGTSTP, &usual, &ours);
  ::kill(0, SIGTSTP);
  ::sigaction(SIGTSTP, &ours, nullptr);
  set_raw();
}

void TerminalMode::resume() { set_raw(); }

std::optional<PtySize> window_size() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    winsize window = {};
    if (::ioctl(fd, TIOCGWINSZ, &window) == 0 && window.ws_row > 0 && window.ws_col > 0)
      return PtySize{window.ws_row, window.ws_col};
  }
  return std::nullopt;
}

}  // namespace runwire
