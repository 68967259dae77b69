#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "server/pty.hpp"

using namespace runwire;

namespace {

constexpr char kCtrlD = 4;

struct OpenPty : Pty {
  OpenPty() { REQUIRE(open({30, 100}) == 0); }

  void change(const std::function<void(termios&)>& how) const {
    termios mode{};
    REQUIRE(tcgetattr(slave.get(), &mode) == 0);
    how(mode);
    REQUIRE(tcsetattr(slave.get(), TCSANOW, &mode) == 0);
  }
  PtySize size() const {
    winsize window{};
    REQUIRE(ioctl(slave.get(), TIOCGWINSZ, &window) == 0);
    return {window.ws_row, window.ws_col};
  }
};

}  // namespace

TEST_CASE("pty: its ends are a terminal and what is written there, private to this process") {
  const OpenPty pty;
  CHECK(isatty(pty.slave.get()) == 1);
  CHECK((fcntl(pty.master.get(), F_GETFD) & FD_CLOEXEC) != 0);
  CHECK((fcntl(pty.slave.get(), F_GETFD) & FD_CLOEXEC) != 0);
  CHECK((fcntl(pty.master.get(), F_GETFL) & O_NONBLOCK) != 0);
  CHECK((fcntl(pty.slave.get(), F_GETFL) & O_NONBLOCK) == 0);
  REQUIRE(write(pty.slave.get(), "out", 3) == 3);
  char bytes[8] = {};
  CHECK(read(pty.master.get(), bytes, sizeof bytes) == 3);
  CHECK(std::string(bytes) == "out");
}

TEST_CASE("pty: it has the size that it was opened with, until that is changed") {
  const OpenPty pty;
  CHECK(pty.size().rows == 30);
  CHECK(pty.size().cols == 100);
  set_window_size(pty.master.get(), {1, 65535});
  CHECK(pty.size().rows == 1);
  CHECK(pty.size().cols == 65535);
}

TEST_CASE("pty: the end of input is typed once, or twice within a line") {
  const OpenPty pty;
  CHECK(end_of_input(pty.master.get(), false) == std::string(1, kCtrlD));
  CHECK(end_of_input(pty.master.get(), true) == std::string(2, kCtrlD));
  pty.change([](termios& mode) { mode.c_cc[VEOF] = 'q'; });
  CHECK(end_of_input(pty.master.get(), false) == "q");
}

TEST_CASE("pty: a terminal that is raw, or was told of no character for it, knows no end of input") {
  const OpenPty pty;
  pty.change([](termios& mode) { mode.c_cc[VEOF] = _POSIX_VDISABLE; });
  CHECK(end_of_input(pty.master.get(), false).empty());
  pty.change([](termios& mode) { cfmakeraw(&mode); });
  CHECK(end_of_input(pty.master.get(), true).empty());
}
