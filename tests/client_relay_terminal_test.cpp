#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>

#include "client/kept_line.hpp"
#include "client/relay_terminal.hpp"
#include "tests/scripted_peer.hpp"

using namespace runwire;
using namespace runwire::test;
using namespace std::chrono_literals;

namespace {

// A terminal in the place of stdin while it lives.
class TerminalStdin {
 public:
  TerminalStdin() : before_(::dup(STDIN_FILENO)), master_(::posix_openpt(O_RDWR | O_NOCTTY)) {
    REQUIRE((master_ && ::grantpt(master_.get()) == 0 && ::unlockpt(master_.get()) == 0));
    const UniqueFd slave(::open(::ptsname(master_.get()), O_RDWR | O_NOCTTY));
    winsize size = {};
    size.ws_row = 24, size.ws_col = 80;
    REQUIRE(::ioctl(slave.get(), TIOCSWINSZ, &size) == 0);
    REQUIRE(::dup2(slave.get(), STDIN_FILENO) == STDIN_FILENO);
  }
  TerminalStdin(const TerminalStdin&) = delete;
  TerminalStdin& operator=(const TerminalStdin&) = delete;
  ~TerminalStdin() {
    if (before_)
      ::dup2(before_.get(), STDIN_FILENO);
    else
      ::close(STDIN_FILENO);
  }

 private:
  UniqueFd before_, master_;
};

}  // namespace

TEST_CASE("relay terminal: a size that nobody can be told wakes nobody up") {
  const TerminalStdin terminal_stdin;
  TcpListener listener;
  Session session(Pair::connected(listener), 1, kPatience);
  Attach attach;
  attach.id = "k1";
  SessionCommand command(attach, 1);
  CommandRequest request;
  request.address = listener.address();
  request.connect_timeout = kPatience;
  KeptLine line(request, "k1", 1h, true);
  RelayLink link(session, command, &line);
  TerminalMode mode(STDIN_FILENO);
  RelayTerminal terminal(link, &mode);

  REQUIRE(line.meet(ServerHello{}).ok());
  Started started{"k1", 7, true};
  started.kept.emplace();
  REQUIRE(command.take(started, 0).ok());
  terminal.hand_over_keys();
  REQUIRE(terminal.have_it_redrawn().ok());
  CHECK(terminal.milliseconds_to_wake() >= 0);
  REQUIRE(line.lose({Errc::closed, "it broke"}).ok());
  CHECK(terminal.milliseconds_to_wake() == -1);
}
