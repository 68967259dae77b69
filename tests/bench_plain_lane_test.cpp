#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "bench/plain_lane.hpp"
#include "proto/frame.hpp"
#include "tests/scripted_peer.hpp"

using namespace runwire;
using test::SocketPath;
using test::TcpListener;

namespace {

constexpr Nanoseconds kDeadline = 10 * kSecond;

const std::string kHelloFrame = frame_head(R"({"filename":"cls.txt","len":6})") + "hello\n";

Endpoint endpoint_at(const TcpListener& listener) {
  const auto channel = Channel::connect(listener.address(), test::kPatience);
  REQUIRE(channel.ok());
  const UniqueFd taken = listener.accept();  // or it would stand in the queue before the lane's own
  const auto endpoint = endpoint_of(channel->fd(), listener.address());
  REQUIRE(endpoint.ok());
  return *endpoint;
}

// A lane and the daemon that the test plays for it.
struct Scene {
  explicit Scene(std::string command = "echo hello")
      : endpoint(endpoint_at(listener)),
        readiness(std::move(Readiness::create().value())),
        target{readiness, endpoint, std::move(command), {"hello\n", std::nullopt}},
        lane(target, 0) {}

  // Waits for the lane's socket until a step comes of it.
  Step next_step() {
    const Nanoseconds end = now_ns() + kDeadline;
    std::vector<Ready> ready;
    while (now_ns() < end) {
      readiness.wait(kSecond, ready);
      for (const Ready& each : ready)
        if (const Step step = lane.on_ready(each); step != Step::pending) return step;
    }
    return Step::pending;
  }

  void connect() {
    if (lane.connect(0) == Step::pending) REQUIRE(next_step() == Step::connected);
    peer = listener.accept();
  }

  void start_kept() {
    connect();
    REQUIRE(lane.start(1, 2) == Step::pending);
    REQUIRE(lane.state() == PlainLane::State::receiving);
  }

  void peer_sends(std::string_view bytes) {
    REQUIRE(::send(peer.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  }

  // What the lane has sent, up to `size` bytes or the end. Reset: "<reset>" follows.
  std::string peer_reads(std::size_t size) {
    std::string all(size, '\0');
    std::size_t have = 0;
    while (have < size) {
      const ssize_t got = ::recv(peer.get(), all.data() + have, size - have, 0);
      if (got < 0 && errno == ECONNRESET) return all.substr(0, have) + "<reset>";
      if (got <= 0) break;
      have += static_cast<std::size_t>(got);
    }
    all.resize(have);
    return all;
  }

  TcpListener listener;
  Endpoint endpoint;
  Readiness readiness;
  Target target;
  PlainLane lane;
  UniqueFd peer;
};

}  // namespace

TEST_CASE("plain lane: connects without a command and is idle then") {
  Scene scene;
  scene.connect();
  CHECK(scene.lane.state() == PlainLane::State::idle);
  CHECK_FALSE(scene.lane.in_flight());
}

TEST_CASE("plain lane: sends the command's bytes as they are and finds the reply right") {
  Scene scene;
  scene.start_kept();
  CHECK(scene.peer_reads(10) == "echo hello");
  scene.peer_sends(kHelloFrame);
  CHECK(scene.next_step() == Step::answered);
  CHECK(scene.lane.failure() == std::nullopt);
  CHECK(scene.lane.state() == PlainLane::State::idle);
}

TEST_CASE("plain lane: started without a connection it makes one first") {
  Scene scene;
  REQUIRE(scene.lane.start(1, 2) == Step::pending);
  while (scene.lane.state() == PlainLane::State::connecting) {
    std::vector<Ready> ready;
    scene.readiness.wait(kDeadline, ready);
    REQUIRE(ready.size() == 1);
    REQUIRE(scene.lane.on_ready(ready[0]) == Step::pending);
  }
  scene.peer = scene.listener.accept();
  CHECK(scene.peer_reads(10) == "echo hello");
  scene.peer_sends(kHelloFrame);
  CHECK(scene.next_step() == Step::answered);
  CHECK(scene.lane.failure() == std::nullopt);
}

TEST_CASE("plain lane: a reply that comes byte by byte is one reply") {
  Scene scene;
  scene.start_kept();
  for (std::size_t at = 0; at + 1 < kHelloFrame.size(); ++at) {
    scene.peer_sends(kHelloFrame.substr(at, 1));
    std::vector<Ready> ready;
    scene.readiness.wait(kDeadline, ready);
    REQUIRE(ready.size() == 1);
    REQUIRE(scene.lane.on_ready(ready[0]) == Step::pending);
  }
  scene.peer_sends(kHelloFrame.substr(kHelloFrame.size() - 1));
  CHECK(scene.next_step() == Step::answered);
  CHECK(scene.lane.failure() == std::nullopt);
}

TEST_CASE("plain lane: many commands follow one another on one connection") {
  Scene scene;
  scene.connect();
  for (int i = 0; i < 50; ++i) {
    REQUIRE(scene.lane.start(i, i) == Step::pending);
    REQUIRE(scene.peer_reads(10) == "echo hello");
    scene.peer_sends(kHelloFrame);
    REQUIRE(scene.next_step() == Step::answered);
    REQUIRE(scene.lane.failure() == std::nullopt);
  }
}

TEST_CASE("plain lane: a wrong reply is a failure, and the connection stays good") {
  Scene scene;
  scene.start_kept();
  scene.peer_sends(frame_head(R"({"filename":"cls.txt","len":6})") + "hellO\n");
  CHECK(scene.next_step() == Step::answered);
  CHECK(scene.lane.failure() == Failure::bytes);
  REQUIRE(scene.lane.start(1, 2) == Step::pending);
  scene.peer_sends(kHelloFrame);
  CHECK(scene.next_step() == Step::answered);
  CHECK(scene.lane.failure() == std::nullopt);
}

TEST_CASE("plain lane: a connection that ends at any byte of a reply is closed early") {
  for (std::size_t cut = 0; cut < kHelloFrame.size(); ++cut) {
    CAPTURE(cut);
    Scene scene;
    scene.start_kept();
    scene.peer_reads(10);
    scene.peer_sends(kHelloFrame.substr(0, cut));
    scene.peer.reset();
    CHECK(scene.next_step() == Step::answered);
    CHECK(scene.lane.failure() == Failure::closed);
    CHECK(scene.lane.state() == PlainLane::State::closed);
  }
}

TEST_CASE(
    "plain lane: what a broken connection left of a frame does not get into the next connection's reply") {
  for (const std::size_t cut : {2U, 10U, 38U}) {
    CAPTURE(cut);
    Scene scene;
    scene.start_kept();
    scene.peer_reads(10);
    scene.peer_sends(kHelloFrame.substr(0, cut));
    scene.peer.reset();
    REQUIRE(scene.next_step() == Step::answered);
    scene.start_kept();
    scene.peer_sends(kHelloFrame);
    CHECK(scene.next_step() == Step::answered);
    CHECK(scene.lane.failure() == std::nullopt);
  }
}

TEST_CASE("plain lane: a reset while it waits for the reply is a reset") {
  Scene scene;
  scene.start_kept();
  const linger now{1, 0};
  REQUIRE(::setsockopt(scene.peer.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
  scene.peer.reset();
  CHECK(scene.next_step() == Step::answered);
  CHECK(scene.lane.failure() == Failure::reset);
}

TEST_CASE("plain lane: bytes after the reply are a failure, be they a whole frame or a part of one") {
  for (const std::string& more : {kHelloFrame, std::string("\x06"), std::string("hello!")}) {
    Scene scene;
    scene.start_kept();
    scene.peer_sends(kHelloFrame + more);
    CHECK(scene.next_step() == Step::answered);
    CHECK(scene.lane.failure() == Failure::protocol);
    CHECK(scene.lane.state() == PlainLane::State::closed);
  }
}

TEST_CASE("plain lane: bytes that nobody has asked for cost the connection") {
  Scene scene;
  scene.connect();
  scene.peer_sends("?");
  CHECK(scene.next_step() == Step::lost);
  CHECK(scene.lane.failure() == Failure::protocol);
}

TEST_CASE("plain lane: an illegal header length is a broken frame") {
  Scene scene;
  scene.start_kept();
  scene.peer_sends(std::string("\xff\xff\xff\xff", 4));
  CHECK(scene.next_step() == Step::answered);
  CHECK(scene.lane.failure() == Failure::protocol);
  CHECK(scene.lane.why().find("4294967295") != std::string::npos);
}

TEST_CASE("plain lane: an idle connection that the daemon closes is lost, and no failure") {
  Scene scene;
  scene.connect();
  scene.peer.reset();
  CHECK(scene.next_step() == Step::lost);
  CHECK(scene.lane.failure() == std::nullopt);
  CHECK(scene.lane.state() == PlainLane::State::closed);
}

TEST_CASE("plain lane: a command larger than the socket takes at once arrives whole") {
  const std::string command = "echo hello #" + std::string(std::size_t{8} << 20, 'x');
  Scene scene(command);
  scene.connect();
  REQUIRE(scene.lane.start(1, 2) == Step::pending);
  REQUIRE(scene.lane.state() == PlainLane::State::sending);  // or the test would test nothing
  std::string arrived;
  std::vector<Ready> ready;
  while (arrived.size() < command.size()) {
    scene.readiness.wait(0, ready);
    for (const Ready& each : ready) REQUIRE(scene.lane.on_ready(each) == Step::pending);
    std::string piece(65536, '\0');
    const ssize_t got = ::recv(scene.peer.get(), piece.data(), piece.size(), 0);
    REQUIRE(got > 0);
    arrived.append(piece, 0, static_cast<std::size_t>(got));
  }
  CHECK(arrived == command);
  scene.peer_sends(kHelloFrame);
  CHECK(scene.next_step() == Step::answered);
  CHECK(scene.lane.state() == PlainLane::State::idle);
}

TEST_CASE("plain lane: a reply in the middle of its command ends the connection with it") {
  Scene scene("echo hello #" + std::string(std::size_t{8} << 20, 'x'));
  scene.connect();
  REQUIRE(scene.lane.start(1, 2) == Step::pending);
  REQUIRE(scene.lane.state() == PlainLane::State::sending);
  scene.peer_sends(kHelloFrame);
  CHECK(scene.next_step() == Step::answered);
  CHECK(scene.lane.state() == PlainLane::State::closed);
}

TEST_CASE("plain lane: nobody at the address is refused") {
  Scene scene;
  scene.target.endpoint = [] { return endpoint_at(TcpListener()); }();
  Step step = scene.lane.start(1, 2);
  if (step == Step::pending) step = scene.next_step();
  CHECK(step == Step::answered);
  CHECK(scene.lane.failure() == Failure::refused);
}

TEST_CASE("plain lane: a command that takes too long is cancelled by a reset, so that the daemon ends it") {
  Scene scene;
  scene.start_kept();
  REQUIRE(scene.peer_reads(10) == "echo hello");
  CHECK(scene.lane.expire() == Step::answered);
  CHECK(scene.lane.failure() == Failure::timeout);
  CHECK(scene.peer_reads(1) == "<reset>");
}

TEST_CASE("plain lane: between commands it hangs up with an end, not with a reset") {
  Scene scene;
  scene.connect();
  scene.lane.hang_up();
  CHECK(scene.peer_reads(1).empty());
}

TEST_CASE("plain lane: keeps when a command was due apart from when it began") {
  Scene scene;
  scene.connect();
  REQUIRE(scene.lane.start(5, 7) == Step::pending);
  CHECK(scene.lane.due() == 5);
  CHECK(scene.lane.begun() == 7);
}

#if defined(__linux__)
TEST_CASE("plain lane: a full queue of a Unix listener is waited out") {
  const SocketPath path;
  const UniqueFd listener = path.listen(0);
  Scene scene;
  const auto endpoint = endpoint_of(-1, path.address());
  REQUIRE(endpoint.ok());
  scene.target.endpoint = *endpoint;
  std::vector<UniqueFd> in_the_way;
  for (Attempt attempt = begin_connecting(*endpoint); attempt.progress == Attempt::connected;
       attempt = begin_connecting(*endpoint))
    in_the_way.push_back(std::move(attempt.fd));
  REQUIRE(scene.lane.connect(0) == Step::queue_full);
  CHECK(scene.lane.state() == PlainLane::State::waiting);
  CHECK(scene.lane.in_flight());
  const UniqueFd accepted(::accept(listener.get(), nullptr, nullptr));
  CHECK(scene.lane.retry() == Step::connected);
}
#endif
