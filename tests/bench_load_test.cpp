#include <doctest/doctest.h>
#include <poll.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "bench/load.hpp"
#include "proto/frame.hpp"
#include "tests/scripted_peer.hpp"

using namespace runwire;
using test::SocketPath;

namespace {

const std::string kHelloFrame = frame_head(R"({"filename":"cls.txt","len":6})") + "hello\n";
const std::string kWrongFrame = frame_head(R"({"filename":"cls.txt","len":6})") + "hellO\n";

bool keep_on(const Tally&, Nanoseconds) { return true; }

// A daemon that runs nothing: what comes in one read is a command, and `answer` says what is written back for
// it: the how-manieth command of its connection and of all connections are given. Nothing: it stays silent.
// "close": it closes the connection. It ends with its object.
class CannedServer {
 public:
  using Answer = std::function<std::string(std::size_t in_connection, std::size_t in_all)>;

  explicit CannedServer(Answer answer) : answer_(std::move(answer)), listener_(path_.listen(128)) {
    int fds[2];
    REQUIRE(::pipe(fds) == 0);
    stop_reader_.reset(fds[0]);
    stop_writer_.reset(fds[1]);
    thread_ = std::thread([this] { serve(); });
  }
  ~CannedServer() {
    stop_writer_.reset();
    thread_.join();
  }

  Endpoint endpoint() const {
    const auto endpoint = endpoint_of(-1, path_.address());
    REQUIRE(endpoint.ok());
    return *endpoint;
  }

  // To be asked when nothing is under way: the server's thread counts.
  std::size_t connections() const { return connections_; }

 private:
  struct Client {
    UniqueFd fd;
    std::size_t commands = 0;
  };

  void serve() {
    for (;;) {
      std::vector<pollfd> watched{{stop_reader_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
      for (const auto& [fd, client] : clients_) watched.push_back({fd, POLLIN, 0});
      if (::poll(watched.data(), watched.size(), -1) < 0 || watched[0].revents != 0) return;
      if (watched[1].revents != 0) accept();
      for (std::size_t i = 2; i < watched.size(); ++i)
        if (watched[i].revents != 0) serve(watched[i].fd);
    }
  }

  void accept() {
    UniqueFd fd(::accept(listener_.get(), nullptr, nullptr));
    ++connections_;
    clients_[fd.get()].fd = std::move(fd);
  }

  void serve(int fd) {
    char command[4096];
    if (::recv(fd, command, sizeof command, 0) <= 0) {
      clients_.erase(fd);
      return;
    }
    const std::string reply = answer_(++clients_[fd].commands, ++commands_);
    if (reply == "close")
      clients_.erase(fd);
    else
      ::send(fd, reply.data(), reply.size(), kSendFlags);
  }

  Answer answer_;
  SocketPath path_;
  UniqueFd listener_;
  UniqueFd stop_reader_;
  UniqueFd stop_writer_;
  std::map<int, Client> clients_;
  std::size_t commands_ = 0;
  std::size_t connections_ = 0;
  std::thread thread_;
};

void be_busy_for(Nanoseconds span) {
  const Nanoseconds end = now_ns() + span;
  while (now_ns() < end) {
  }
}

std::string hello(std::size_t, std::size_t) { return kHelloFrame; }

// A load against it.
struct Scene {
  explicit Scene(const CannedServer::Answer& answer, std::uint32_t connections = 4)
      : server(answer),
        readiness(std::move(Readiness::create().value())),
        target{readiness, server.endpoint(), "echo hello", {"hello\n", std::nullopt}} {
    plan.connections = connections;
  }

  Tally run(const Extent& extent, const Observer& observer = keep_on) {
    Load load(target, plan);
    if (!plan.new_connections) REQUIRE(load.connect().ok());
    return load.run(extent, observer);
  }

  CannedServer server;
  Readiness readiness;
  Target target;
  Plan plan;
};

}  // namespace

TEST_CASE("load: a closed loop runs exactly the commands asked for, on the connections asked for") {
  Scene scene(hello, 4);
  const Tally tally = scene.run({1000, 0});
  CHECK(tally.right == 1000);
  CHECK(tally.all_right());
  CHECK(tally.latency.count() == 1000);
  CHECK(tally.payload_bytes == 6000);
  CHECK(tally.reconnects == 0);
  CHECK(tally.waited == 0);
  CHECK(scene.server.connections() == 4);
}

TEST_CASE("load: with more connections than commands each command still runs once") {
  Scene scene(hello, 16);
  CHECK(scene.run({3, 0}).right == 3);
}

TEST_CASE("load: a run by time takes that time") {
  Scene scene(hello);
  const Tally tally = scene.run({0, 50 * kMillisecond});
  CHECK(tally.right > 0);
  CHECK(tally.elapsed >= 50 * kMillisecond);
}

TEST_CASE("load: whichever comes first, commands or time, ends the run") {
  Scene scene(hello);
  CHECK(scene.run({10, 3600 * kSecond}).right == 10);
  CHECK(scene.run({1'000'000'000, 20 * kMillisecond}).right < 1'000'000'000);
}

TEST_CASE("load: a new connection for each command is just that") {
  Scene scene(hello, 3);
  scene.plan.new_connections = true;
  const Tally tally = scene.run({50, 0});
  CHECK(tally.right == 50);
  CHECK(tally.reconnects == 0);
  CHECK(scene.server.connections() == 50);
}

TEST_CASE("load: runs follow one another on the same connections, each with a tally of its own") {
  Scene scene(hello, 2);
  Load load(scene.target, scene.plan);
  REQUIRE(load.connect().ok());
  CHECK(load.run({20, 0}, keep_on).right == 20);
  CHECK(load.run({30, 0}, keep_on).right == 30);
  CHECK(scene.server.connections() == 2);
}

TEST_CASE("load: every wrong reply is counted by its kind and spoils the verdict") {
  Scene scene([](std::size_t, std::size_t in_all) { return in_all % 10 == 0 ? kWrongFrame : kHelloFrame; });
  const Tally tally = scene.run({100, 0});
  CHECK(tally.right == 90);
  CHECK(count_of(tally, Failure::bytes) == 10);
  CHECK(tally.failed() == 10);
  CHECK_FALSE(tally.all_right());
  CHECK(tally.latency.count() == 90);
  CHECK(tally.first_failure.find("wrong bytes: byte 4") == 0);
}

TEST_CASE("load: a closed connection costs its command and is opened anew for the next one") {
  Scene scene([](std::size_t, std::size_t in_all) { return in_all == 5 ? "close" : kHelloFrame; }, 1);
  const Tally tally = scene.run({10, 0});
  CHECK(tally.right == 9);
  CHECK(count_of(tally, Failure::closed) == 1);
  CHECK(tally.reconnects == 1);
  CHECK(tally.gave_up.empty());
}

TEST_CASE("load: a daemon that is only wrong ends the run early, with the reason") {
  Scene scene([](std::size_t, std::size_t) { return kWrongFrame; });
  const Tally tally = scene.run({0, 3600 * kSecond});
  CHECK(tally.right == 0);
  CHECK(tally.gave_up.find("100 failures in a row") == 0);
}

TEST_CASE("load: a busy daemon is counted and not given up") {
  const std::string busy = frame_head(R"({"filename":"cls.txt","len":0,"error":"busy","message":"full"})");
  Scene scene([&](std::size_t, std::size_t in_all) { return in_all <= 500 ? busy : kHelloFrame; });
  const Tally tally = scene.run({600, 0});
  CHECK(count_of(tally, Failure::busy) == 500);
  CHECK(tally.right == 100);
  CHECK(tally.gave_up.empty());
}

TEST_CASE("load: a stuck daemon ends the run after the timeout, not after the duration") {
  Scene scene([](std::size_t, std::size_t in_all) { return in_all <= 20 ? kHelloFrame : ""; });
  scene.plan.timeout = 300 * kMillisecond;
  const Tally tally = scene.run({0, 3600 * kSecond});
  CHECK(tally.right == 20);
  CHECK(count_of(tally, Failure::timeout) == 4);
  CHECK(tally.gave_up.find("no right reply for 0.3 s") == 0);
}

TEST_CASE("load: one silent command among others is one timeout, and the run goes on") {
  Scene scene([](std::size_t, std::size_t in_all) { return in_all == 1 ? "" : kHelloFrame; });
  scene.plan.timeout = 200 * kMillisecond;
  const Tally tally = scene.run({0, 500 * kMillisecond});
  CHECK(count_of(tally, Failure::timeout) == 1);
  CHECK(tally.failed() == 1);
  CHECK(tally.gave_up.empty());
}

TEST_CASE("load: connecting to nobody is an error that says so") {
  Readiness readiness = std::move(Readiness::create().value());
  const SocketPath path;
  const auto endpoint = endpoint_of(-1, path.address());
  REQUIRE(endpoint.ok());
  Target target{readiness, *endpoint, "true", {}};
  Load load(target, Plan{});
  const Status connected = load.connect();
  REQUIRE_FALSE(connected.ok());
  CHECK(connected.error().message.find("no connection could be opened: refused") == 0);
}

TEST_CASE("load: an open loop sends what is due and keeps the rate") {
  Scene scene(hello);
  scene.plan.open_loop = OpenLoop{1000, Spacing::fixed};
  const Tally tally = scene.run({0, 200 * kMillisecond});
  CHECK(tally.right == 199);  // at 1, 2, ... 199 ms
  CHECK(tally.elapsed >= 200 * kMillisecond);
}

TEST_CASE("load: no command of an open loop waits while a connection is free") {
  Scene scene(hello, 64);
  scene.plan.open_loop = OpenLoop{200, Spacing::fixed};
  CHECK(scene.run({20, 0}).waited == 0);
}

TEST_CASE(
    "load: an open loop's latency counts from the intended start, also while all connections are busy") {
  // The only connection is held up by its first command.
  const auto hold_up = [](std::size_t, std::size_t in_all) {
    if (in_all == 1) be_busy_for(100 * kMillisecond);
    return kHelloFrame;
  };
  Scene scene(hold_up, 1);
  scene.plan.open_loop = OpenLoop{1000, Spacing::fixed};
  const Tally tally = scene.run({100, 0});
  CHECK(tally.right == 100);
  CHECK(tally.waited == 99);
  // They were due at 1 ms, 2 ms, ... 100 ms and none could go before 101 ms: 100 ms, 99 ms, ... 1 ms.
  CHECK(tally.latency.max() >= 100 * kMillisecond);
  CHECK(tally.latency.percentile(50) >= 49 * kMillisecond);
  CHECK(tally.latency.percentile(10) >= 9 * kMillisecond);
}

TEST_CASE(
    "load: an open loop that cannot keep up ends a timeout after its time and counts what it never sent") {
  const auto slow = [](std::size_t, std::size_t) {
    be_busy_for(20 * kMillisecond);
    return kHelloFrame;
  };
  Scene scene(slow, 1);
  scene.plan.open_loop = OpenLoop{1000, Spacing::fixed};
  scene.plan.timeout = 300 * kMillisecond;
  const Tally tally = scene.run({0, 100 * kMillisecond});
  CHECK(tally.right > 0);
  CHECK(tally.right < 30);
  CHECK(tally.right + count_of(tally, Failure::unsent) == 99);
  CHECK_FALSE(tally.all_right());
}

TEST_CASE("load: the observer can end a run early, and what was under way is still counted") {
  Scene scene(hello);
  bool asked = false;
  const Tally tally = scene.run({0, 3600 * kSecond}, [&](const Tally& so_far, Nanoseconds elapsed) {
    asked = true;
    CHECK(so_far.right > 0);
    CHECK(elapsed > 0);
    return false;
  });
  CHECK(asked);
  CHECK(tally.right > 0);
  CHECK(tally.all_right());
}
