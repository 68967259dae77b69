#include <netinet/in.h>
#include <sys/resource.h>

#include <filesystem>

#include "server/listener.hpp"
#include "tests/local_client.hpp"
#include "tests/loop_fixture.hpp"
#include "tests/scratch_dir.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

class ListenerFixture : public LoopFixture {
 public:
  std::unique_ptr<Listener> open(const Address& address) {
    auto listener =
        Listener::open(loop(), address, [this](Stream stream) { accepted.push_back(std::move(stream)); });
    REQUIRE(listener.ok());
    return std::move(*listener);
  }
  std::string refusal(const Address& address) {
    const auto listener = Listener::open(loop(), address, [](Stream) {});
    REQUIRE(!listener.ok());
    return listener.error().message;
  }
  Errc refusal_code(const Address& address) {
    return Listener::open(loop(), address, [](Stream) {}).error().code;
  }

  std::vector<Stream> accepted;
};

bool contains(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

}  // namespace

TEST_CASE_FIXTURE(ListenerFixture, "listener: takes a free port, says which, and accepts there") {
  for (const char* host : {"127.0.0.1", "::1", "localhost"}) {
    CAPTURE(host);
    accepted.clear();
    const auto listener = open({"", host, 0});
    REQUIRE(listener->address().port != 0);
    const Descriptor client = connect_to(listener->address());
    REQUIRE(run_until([&] { return accepted.size() == 1; }));
    CHECK(descriptor_of(accepted[0]) >= 0);
  }
}

TEST_CASE_FIXTURE(ListenerFixture, "listener: what it accepts over TCP has no delay") {
  const auto listener = open({"", "127.0.0.1", 0});
  const Descriptor client = connect_to(listener->address());
  REQUIRE(run_until([&] { return accepted.size() == 1; }));
  int no_delay = 0;
  socklen_t size = sizeof no_delay;
  getsockopt(descriptor_of(accepted[0]), IPPROTO_TCP, TCP_NODELAY, &no_delay, &size);
  CHECK(no_delay != 0);
}

TEST_CASE_FIXTURE(ListenerFixture,
                  "listener: accepts on a Unix socket, and takes its path away with itself") {
  const ScratchDir dir;
  {
    const auto listener = open({dir.path("s"), "", 0});
    const Descriptor client = connect_to(listener->address());
    REQUIRE(run_until([&] { return accepted.size() == 1; }));
  }
  CHECK(dir.is_empty());
}

TEST_CASE_FIXTURE(ListenerFixture, "listener: many that connect at once are all accepted") {
  const auto listener = open({"", "127.0.0.1", 0});
  std::vector<Descriptor> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(connect_to(listener->address()));
  CHECK(run_until([&] { return accepted.size() == 100; }));
}

TEST_CASE_FIXTURE(ListenerFixture,
                  "listener: every address but loopback is refused, with the reason and a way") {
  for (const char* host : {"0.0.0.0", "192.0.2.1", "::", "::ffff:127.0.0.1", "2001:db8::1", "example.com", "",
                           "127.0.0.1.evil.example", "0x7f000001", "2130706433"}) {
    CAPTURE(host);
    CHECK(refusal_code({"", host, 0}) == Errc::invalid_argument);
    const std::string message = refusal({"", host, 0});
    CHECK(contains(message, "loopback only"));
    CHECK(contains(message, "ssh -L"));
  }
}

TEST_CASE_FIXTURE(ListenerFixture, "listener: all of 127/8 is loopback") { open({"", "127.45.6.7", 0}); }

TEST_CASE_FIXTURE(ListenerFixture, "listener: a port that is taken is named, with what to do") {
  const auto first = open({"", "127.0.0.1", 0});
  const std::string message = refusal(first->address());
  CHECK(contains(message, to_string(first->address())));
  CHECK(contains(message, "is another runwired running?"));
}

TEST_CASE_FIXTURE(ListenerFixture,
                  "listener: a path that cannot be taken is refused as the socket file says") {
  CHECK(contains(refusal({"/no/such/dir/s", "", 0}), "/no/such/dir"));
}

TEST_CASE_FIXTURE(ListenerFixture,
                  "listener: who comes while it is paused waits, and is let in when it goes on") {
  const ScratchDir dir;
  for (const Address& address : {Address{"", "127.0.0.1", 0}, Address{dir.path("x.sock"), "", 0}}) {
    CAPTURE(to_string(address));
    accepted.clear();
    const auto listener = open(address);
    REQUIRE(listener->pause().ok());
    const Descriptor client = connect_to(listener->address());
    uv_run(loop(), UV_RUN_NOWAIT);
    CHECK(accepted.empty());
    REQUIRE(listener->resume().ok());
    CHECK(run_until([&] { return accepted.size() == 1; }));
  }
}

TEST_CASE_FIXTURE(ListenerFixture,
                  "listener: its socket goes on in another one, which takes the path away at its end") {
  const ScratchDir dir;
  for (const Address& address : {Address{"", "127.0.0.1", 0}, Address{dir.path("x.sock"), "", 0}}) {
    CAPTURE(to_string(address));
    accepted.clear();
    const auto before = open(address);  // as at an exec, it is not destroyed before the other one
    REQUIRE(before->pause().ok());
    const Address where = before->address();
    const int handed = dup(before->descriptor());
    const Descriptor client = connect_to(where);
    auto after =
        Listener::take_over(loop(), where, handed, [this](Stream s) { accepted.push_back(std::move(s)); });
    REQUIRE(after.ok());
    CHECK(run_until([&] { return accepted.size() == 1; }));
    after->reset();
    if (where.is_unix()) CHECK_FALSE(std::filesystem::exists(where.unix_path));
  }
}

TEST_CASE_FIXTURE(ListenerFixture,
                  "listener: without a descriptor for it there is no pause, and it listens as before") {
  const ScratchDir dir;
  for (const Address& address : {Address{"", "127.0.0.1", 0}, Address{dir.path("x.sock"), "", 0}}) {
    CAPTURE(to_string(address));
    accepted.clear();
    const auto listener = open(address);
    rlimit before{};
    getrlimit(RLIMIT_NOFILE, &before);
    const rlimit none{3, before.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    const Status paused = listener->pause();
    REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
    REQUIRE_FALSE(paused.ok());
    CHECK(contains(paused.error().message, "cannot keep " + to_string(listener->address()) + " open: "));
    CHECK(contains(paused.error().message, "ulimit -n"));
    CHECK(listener->resume().ok());  // where there was no pause, nothing
    const Descriptor client = connect_to(listener->address());
    CHECK(run_until([&] { return accepted.size() == 1; }));
  }
}
