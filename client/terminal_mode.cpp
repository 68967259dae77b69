#include "client/terminal_mode.hpp"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

namespace runwire {
namespace {

// For exit(3), which destroys no objects.
int g_terminal = -1;  // -1: none is raw
termios g_before;

void restore() {
  if (g_terminal >= 0) ::tcsetattr(g_terminal, TCSADRAIN, &g_before);
}

void make_raw() {
  if (g_terminal < 0) return;
  termios raw = g_before;
  ::cfmakeraw(&raw);
  ::tcsetattr(g_terminal, TCSADRAIN, &raw);
}

}  // namespace

TerminalMode::TerminalMode(int fd) {
  if (::tcgetattr(fd, &g_before) != 0) return;
  g_terminal = fd;
  [[maybe_unused]] static const int registered = std::atexit(restore);
  make_raw();
}

TerminalMode::~TerminalMode() {
  restore();
  g_terminal = -1;
}

bool TerminalMode::is_raw() const { return g_terminal >= 0; }

void TerminalMode::stop_program() {
  restore();
  ::raise(SIGSTOP);
  make_raw();
}

void TerminalMode::resume() { make_raw(); }

std::optional<PtySize> window_size() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    winsize window = {};
    if (::ioctl(fd, TIOCGWINSZ, &window) == 0 && window.ws_row > 0 && window.ws_col > 0)
      return PtySize{window.ws_row, window.ws_col};
  }
  return std::nullopt;
}

}  // namespace runwire
