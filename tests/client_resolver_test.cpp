#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <future>
#include <string>

#include "client/resolver.hpp"
#include "tests/scripted_peer.hpp"

using namespace runwire;
using namespace runwire::test;
using namespace std::chrono_literals;

namespace {

auto in(std::chrono::milliseconds time) { return std::chrono::steady_clock::now() + time; }

bool asks_for_numbers(const addrinfo* hints) { return (hints->ai_flags & AI_NUMERICHOST) != 0; }

// A name server that is silent until the test lets it go on. The test waits for its thread to have left.
struct SilentServer {
  SilentServer() { current = this; }
  ~SilentServer() {
    const bool has_left = left.get_future().wait_for(kPatience) == std::future_status::ready;
    CHECK(has_left);
    current = nullptr;
  }

  static int look_up(const char*, const char*, const addrinfo* hints, addrinfo**) {
    if (asks_for_numbers(hints)) return EAI_NONAME;
    current->go.get_future().wait();
    current->left.set_value_at_thread_exit();
    return EAI_NONAME;
  }

  static inline SilentServer* current = nullptr;
  std::promise<void> go, left;
};

int fails_with_errno(const char*, const char*, const addrinfo* hints, addrinfo**) {
  errno = EMFILE;
  return asks_for_numbers(hints) ? EAI_NONAME : EAI_SYSTEM;
}

}  // namespace

TEST_CASE("resolver: numbers are addresses as they stand, and need no time at all") {
  const auto four = resolve("127.0.0.1", 8098, in(-1s));
  REQUIRE(four.ok());
  const auto* address = reinterpret_cast<const sockaddr_in*>((*four)->ai_addr);
  CHECK(address->sin_family == AF_INET);
  CHECK(ntohs(address->sin_port) == 8098);
  CHECK((*four)->ai_socktype == SOCK_STREAM);
  const auto six = resolve("::1", 1, in(-1s));
  REQUIRE(six.ok());
  CHECK((*six)->ai_addr->sa_family == AF_INET6);
}

TEST_CASE("resolver: a name is looked up") {
  addrinfo* known = nullptr;  // a bare root has no /etc/hosts
  const bool is_known = getaddrinfo("localhost", nullptr, nullptr, &known) == 0;
  if (is_known) freeaddrinfo(known);
  const auto found = resolve("localhost", 8098, in(kPatience));
  REQUIRE(found.ok() == is_known);
  if (is_known) CHECK(*found != nullptr);
}

TEST_CASE("resolver: a name that does not exist is told with the resolver's words") {
  const auto found = resolve("no-such-host.invalid", 1, in(kPatience));
  REQUIRE(!found.ok());
  CHECK(found.error().code == Errc::invalid_argument);
  CHECK_FALSE(found.error().message.empty());
}

TEST_CASE(
    "resolver: a name server that is silent is given up at the deadline, and its answer does no harm then") {
  SilentServer server;
  const auto found = resolve("slow.example", 1, in(20ms), SilentServer::look_up);
  server.go.set_value();
  REQUIRE(!found.ok());
  CHECK(found.error().code == Errc::timeout);
}

TEST_CASE("resolver: where the system fails its errno is the cause, although another thread had it") {
  const auto found = resolve("some.example", 1, in(kPatience), fails_with_errno);
  REQUIRE(!found.ok());
  CHECK(found.error().message == "Too many open files");
}
