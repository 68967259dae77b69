#include "server/pty.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace runwire {

int Pty::open(PtySize size) {
  master = Descriptor(posix_openpt(O_RDWR | O_NOCTTY));
  if (master.get() < 0) return uv_translate_sys_error(errno);
  fcntl(master.get(), F_SETFD, FD_CLOEXEC);
  fcntl(master.get(), F_SETFL, fcntl(master.get(), F_GETFL) | O_NONBLOCK);
  if (grantpt(master.get()) != 0 || unlockpt(master.get()) != 0) return uv_translate_sys_error(errno);
  const char* path = ptsname(master.get());
  slave = Descriptor(path == nullptr ? -1 : ::open(path, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (slave.get() < 0) return uv_translate_sys_error(errno);
  set_window_size(master.get(), size);
  return 0;
}

void set_window_size(int master, PtySize size) {
  winsize window{};
  window.ws_row = size.rows;
  window.ws_col = size.cols;
  ioctl(master, TIOCSWINSZ, &window);
}

std::string end_of_input(int master, bool is_within_a_line) {
  termios mode{};
  if (tcgetattr(master, &mode) != 0 || (mode.c_lflag & ICANON) == 0) return {};
  if (mode.c_cc[VEOF] == _POSIX_VDISABLE) return {};
  return std::string(is_within_a_line ? 2 : 1, static_cast<char>(mode.c_cc[VEOF]));
}

}  // namespace runwire
