#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <vector>

#include "client/channel.hpp"
#include "client/signals.hpp"
#include "tests/scripted_peer.hpp"

using namespace runwire;
using namespace runwire::test;
using namespace std::chrono_literals;

namespace {

Error connect_error(const Address& address, std::chrono::milliseconds timeout = kPatience) {
  auto channel = Channel::connect(address, timeout);
  REQUIRE(!channel.ok());
  return channel.error();
}

// What the peer's next read says: a number of bytes, or minus the errno.
long peer_read_result(const Pair& pair) {
  char byte = 0;
  pollfd readable = {pair.peer.get(), POLLIN, 0};
  REQUIRE(::poll(&readable, 1, static_cast<int>(kPatience.count())) == 1);
  const ssize_t n = ::recv(pair.peer.get(), &byte, 1, 0);
  return n < 0 ? -errno : n;
}

Channel::Deadline soon() { return std::chrono::steady_clock::now() + 20ms; }

}  // namespace

TEST_CASE("channel: a refused connection names the address and what to do") {
  Address nobody;
  {
    const TcpListener listener;
    nobody = listener.address();
  }
  const Error error = connect_error(nobody);
  CHECK(error.code == Errc::refused);
  CHECK(error.message == "cannot connect to " + to_string(nobody) +
                             ": connection refused; start runwired there, or name another HOST");
}

TEST_CASE("channel: a socket path without a socket says so") {
  const SocketPath path;
  const Error error = connect_error(path.address());
  CHECK(error.code == Errc::refused);
  CHECK(error.message ==
        "cannot connect to unix:" + path.path() + ": no such socket; start runwired, or name another HOST");
}

TEST_CASE("channel: a socket file whose server has died is refused") {
  const SocketPath path;
  path.listen(1).reset();
  CHECK(connect_error(path.address()).code == Errc::refused);
}

TEST_CASE("channel: a socket that is another user's says whose server one may use") {
  const SocketPath path;
  const UniqueFd listener = path.listen(1);
  REQUIRE(::chmod(path.path().c_str(), 0) == 0);
  const uid_t own = ::geteuid();
  if (own == 0) REQUIRE(::seteuid(65534) == 0);  // root may go in everywhere
  const Error error = connect_error(path.address());
  REQUIRE(::seteuid(own) == 0);
  CHECK(error.message ==
        "cannot connect to unix:" + path.path() +
            ": permission denied; run as the user whose runwired this is, or start your own");
}

TEST_CASE("channel: a path longer than a socket's may be is told with both lengths") {
  const Error error = connect_error({"/" + std::string(200, 'x'), "", 0});
  CHECK(error.code == Errc::invalid_argument);
  CHECK(error.message.find("the path has 201 bytes and a socket's may have 10") != std::string::npos);
}

TEST_CASE("channel: a host that does not exist is told by its name") {
  const Error error = connect_error({"", "no-such-host.invalid", 1});
  CHECK(error.code == Errc::invalid_argument);
  CHECK(error.message.find("host 'no-such-host.invalid' is unknown (") != std::string::npos);
}

TEST_CASE("channel: a server that does not accept is given up after the time allowed") {
  const TcpListener listener(0);
  std::vector<Channel>
      queue;  // until the queue of the listener is full, and then the kernel drops what comes
  for (;;) {
    auto channel = Channel::connect(listener.address(), 50ms);
    if (channel.ok()) {
      queue.push_back(std::move(*channel));
      continue;
    }
    CHECK(channel.error().code == Errc::timeout);
    CHECK(channel.error().message ==
          "cannot connect to " + to_string(listener.address()) +
              ": no answer within 50 ms; check the address and the firewall, or allow "
              "more time");
    break;
  }
}

TEST_CASE("channel: the time allowed holds for a Unix socket whose queue is full, too") {
  const SocketPath path;
  const UniqueFd listener = path.listen(0);
  std::vector<Channel> queue;
  for (;;) {
    auto channel = Channel::connect(path.address(), 50ms);
    if (!channel.ok()) {
      CHECK(channel.error().code == Errc::timeout);
      break;
    }
    queue.push_back(std::move(*channel));
  }
}

TEST_CASE("channel: a connected socket blocks and is not inherited by programs") {
  const Pair pair;
  CHECK((::fcntl(pair.client.fd(), F_GETFL) & O_NONBLOCK) == 0);
  CHECK(::fcntl(pair.client.fd(), F_GETFD) == FD_CLOEXEC);
}

TEST_CASE("channel: the time allowed for connecting to a Unix socket does not bound what comes after") {
  const SocketPath path;
  const UniqueFd listener = path.listen(1);
  const auto channel = Channel::connect(path.address(), kPatience);
  REQUIRE(channel.ok());
  timeval limit = {1, 1};
  socklen_t size = sizeof limit;
  REQUIRE(::getsockopt(channel->fd(), SOL_SOCKET, SO_SNDTIMEO, &limit, &size) == 0);
  CHECK(limit.tv_sec + limit.tv_usec == 0);
}

TEST_CASE("channel: the end of the client resets the connection, so that the server learns at once") {
  Pair pair;
  { const Channel gone = std::move(pair.client); }
  CHECK(peer_read_result(pair) == -ECONNRESET);
}

TEST_CASE("channel: an orderly close is an end and no reset") {
  Pair pair;
  pair.client.close_orderly();
  CHECK(peer_read_result(pair) == 0);
}

TEST_CASE("channel: reading gives what is there and then the end") {
  Pair pair;
  pair.peer_sends("hello");
  pair.peer_ends();
  char buffer[64];
  REQUIRE(pair.client.read_some(buffer, sizeof buffer).value() == 5);
  CHECK(std::string_view(buffer, 5) == "hello");
  CHECK(pair.client.read_some(buffer, sizeof buffer).value() == 0);
}

TEST_CASE("channel: reading gives up at its deadline") {
  Pair pair;
  char byte = 0;
  CHECK(pair.client.read_some(&byte, 1, soon()).error().code == Errc::timeout);
}

TEST_CASE("channel: reading from a peer that has reset is an error and no end") {
  Pair pair;
  const linger reset = {1, 0};
  ::setsockopt(pair.peer.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  pair.peer.reset();
  char byte = 0;
  CHECK(pair.client.read_some(&byte, 1).error().code == Errc::closed);
}

TEST_CASE("channel: it has input when bytes wait and when the peer has ended, and else not") {
  Pair quiet, talking, ended;
  CHECK(!quiet.client.has_input());
  talking.peer_sends("x");
  ended.peer_ends();
  pollfd waiting[] = {{talking.client.fd(), POLLIN, 0}, {ended.client.fd(), POLLIN, 0}};
  REQUIRE(::poll(&waiting[0], 1, static_cast<int>(kPatience.count())) == 1);
  REQUIRE(::poll(&waiting[1], 1, static_cast<int>(kPatience.count())) == 1);
  CHECK(talking.client.has_input());
  CHECK(ended.client.has_input());
}

TEST_CASE("channel: a peer that answers and does not read cannot deadlock a long write") {
  Pair pair;
  pair.peer_sends("busy");
  const std::string longer_than_all_buffers(64 << 20, 'x');
  CHECK(pair.client.write_all(longer_than_all_buffers).value() == Written::stopped_by_answer);
  char buffer[64];
  CHECK(pair.client.read_some(buffer, sizeof buffer).value() == 4);
}

TEST_CASE("channel: a peer that takes nothing more is given up after the patience allowed") {
  Pair pair;
  const auto written = pair.client.write_all(std::string(64 << 20, 'x'), 20ms);
  REQUIRE(!written.ok());
  CHECK(written.error().code == Errc::timeout);
  CHECK(written.error().message == "write: the server took nothing for 20 ms");
}

TEST_CASE("channel: writing to a peer that has gone is an error and no signal") {
  struct sigaction before = {}, default_action = {};
  default_action.sa_handler = SIG_DFL;
  ::sigaction(SIGPIPE, &default_action, &before);
  Pair pair;
  pair.peer.reset();
  Result<Written> written = Written::whole;
  while (written.ok()) written = pair.client.write_all("x");  // the first write only provokes the reset
  CHECK(written.error().code == Errc::closed);
  ::sigaction(SIGPIPE, &before, nullptr);
}

TEST_CASE("channel: an interrupt ends a read that waits") {
  auto interrupt = Signals::install({SIGINT});
  REQUIRE(interrupt.ok());
  Pair pair;
  pair.client.interrupt_when_readable(interrupt->fd());
  ::raise(SIGINT);
  char byte = 0;
  CHECK(pair.client.read_some(&byte, 1).error().code == Errc::closed);
  CHECK(interrupt->take());
  CHECK(!interrupt->take());
}

TEST_CASE("channel: an interrupt is seen although the peer never pauses") {
  auto interrupt = Signals::install({SIGINT});
  REQUIRE(interrupt.ok());
  Pair pair;
  pair.client.interrupt_when_readable(interrupt->fd());
  pair.peer_sends("more");
  ::raise(SIGINT);
  char byte = 0;
  CHECK(!pair.client.read_some(&byte, 1).ok());
}

TEST_CASE("channel: an interrupt that has gone out of scope leaves Ctrl-C as it was") {
  struct sigaction ignoring = {}, before = {}, after = {};
  ignoring.sa_handler = SIG_IGN;
  ::sigaction(SIGINT, &ignoring, &before);
  { const auto interrupt = Signals::install({SIGINT}); }
  ::sigaction(SIGINT, &before, &after);
  CHECK((after.sa_handler == SIG_IGN));
}
