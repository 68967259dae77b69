#include <doctest/doctest.h>

#include <csignal>
#include <string>
#include <vector>

#include "bench/session_lanes.hpp"
#include "proto/frame.hpp"
#include "tests/scripted_peer.hpp"

using namespace runwire;
using test::TcpListener;

namespace {

constexpr Nanoseconds kDeadline = 10 * kSecond;

Endpoint endpoint_at(const TcpListener& listener) {
  const auto channel = Channel::connect(listener.address(), test::kPatience);
  REQUIRE(channel.ok());
  const UniqueFd taken = listener.accept();  // or it would stand in the queue before the lanes' own
  const auto endpoint = endpoint_of(channel->fd(), listener.address());
  REQUIRE(endpoint.ok());
  return *endpoint;
}

Exercise exercise(Exercise::Kind kind, ReplyForm reply) {
  Exercise exercise;
  exercise.in_session = true;
  exercise.kind = kind;
  exercise.reply = reply;
  return exercise;
}

const Exercise kWhole = exercise(Exercise::Kind::run, ReplyForm::whole);
const Exercise kStream = exercise(Exercise::Kind::run, ReplyForm::stream);
const Exercise kFeed = exercise(Exercise::Kind::feed, ReplyForm::whole);
const Exercise kConverse = exercise(Exercise::Kind::converse, ReplyForm::stream);

const Expectation kHello{"hello\n", ExitStatus::exited(0)};

template <class Message> std::string frame(const Message& message, std::string_view payload = {}) {
  return frame_head(to_json(message)) + std::string(payload);
}

std::string output(const std::string& id, StdStream stream, std::uint64_t off, std::string_view bytes) {
  return frame(Output{id, stream, off, bytes.size()}, bytes);
}

Exit exit_of(const std::string& id, std::uint64_t stdout_bytes, std::uint64_t stderr_bytes = 0) {
  Exit exit;
  exit.id = id;
  exit.status = ExitStatus::exited(0);
  exit.reason = Reason::exited;
  exit.stdout_bytes = stdout_bytes;
  exit.stderr_bytes = stderr_bytes;
  return exit;
}

std::string whole(Exit exit, std::string_view payload) {
  exit.len = payload.size();
  return frame(exit, payload);
}

// What the peer has read, message by message.
class Heard {
 public:
  void feed(std::string_view bytes) { rest_ += bytes; }

  // Nothing: no whole frame is there.
  std::optional<ClientMessage> next() {
    if (rest_.size() < kLengthBytes) return std::nullopt;
    const std::size_t head = kLengthBytes + decode_length(rest_.data());
    if (rest_.size() < head) return std::nullopt;
    auto message = parse_client_message(std::string_view(rest_).substr(kLengthBytes, head - kLengthBytes));
    REQUIRE(message.ok());
    const auto size = static_cast<std::size_t>(payload_bytes(*message));
    if (rest_.size() < head + size) return std::nullopt;
    payload = rest_.substr(head, size);
    rest_.erase(0, head + size);
    return std::move(*message);
  }
  std::string take(std::size_t size) {
    if (rest_.size() < size) return {};
    std::string taken = rest_.substr(0, size);
    rest_.erase(0, size);
    return taken;
  }

  std::string payload;  // of the last message

 private:
  std::string rest_;
};

// Lanes on one session, and the daemon that the test plays for them.
struct Scene {
  explicit Scene(const Exercise& exercise, Expectation expected = kHello, std::uint32_t count = 1,
                 std::uint32_t idle = 0)
      : endpoint(endpoint_at(listener)),
        readiness(std::move(Readiness::create().value())),
        target{readiness, endpoint, "the command", std::move(expected), exercise},
        lanes(target, count, 1, idle) {}

  SessionLane& lane(std::uint32_t place = 0) { return static_cast<SessionLane&>(lanes[place]); }

  // What the lanes' sockets are ready for now or within `wait`.
  void turn(Nanoseconds wait) {
    std::vector<Ready> ready;
    readiness.wait(wait, ready);
    for (const Ready& each : ready) lanes.on_ready(each, told);
  }

  // The next step of any lane, awaited. Fails the test when none comes.
  Told next() {
    const Nanoseconds end = now_ns() + kDeadline;
    while (told.empty() && now_ns() < end) turn(kSecond);
    REQUIRE_FALSE(told.empty());
    const Told first = told.front();
    told.erase(told.begin());
    return first;
  }
  Step next_step() { return next().step; }

  void peer_sends(std::string_view bytes) {
    REQUIRE(::send(peer.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  }

  void read_more() {
    turn(0);
    std::string piece(65536, '\0');
    const ssize_t got = ::recv(peer.get(), piece.data(), piece.size(), MSG_DONTWAIT);
    if (got > 0) heard.feed(std::string_view(piece).substr(0, static_cast<std::size_t>(got)));
  }

  // The next message that the lanes have sent.
  template <class Message> Message peer_hears() {
    const Nanoseconds end = now_ns() + kDeadline;
    for (;;) {
      if (auto message = heard.next()) {
        REQUIRE(std::holds_alternative<Message>(*message));
        return std::get<Message>(*message);
      }
      REQUIRE(now_ns() < end);
      read_more();
    }
  }

  // Accepts and answers the greeting.
  void greet(const ServerHello& hello = server_hello()) {
    peer = listener.accept();
    std::string preface;
    while ((preface = heard.take(kPreface.size())).empty()) read_more();
    CHECK(preface == kPreface);
    client_hello = peer_hears<ClientHello>();
    peer_sends(frame(hello));
  }

  static ServerHello server_hello() {
    ServerHello hello;
    hello.boot = std::string(32, 'b');
    hello.server = "a test";
    hello.ping_ms = 15000;
    return hello;
  }

  void connect() {
    REQUIRE(lane().connect(0) == Step::pending);
    greet();
    REQUIRE(next_step() == Step::connected);
  }

  // With a command under way, whose id is the result.
  std::string start(std::uint32_t place = 0) {
    if (!peer) connect();
    REQUIRE(lane(place).start(1, now_ns()) == Step::pending);
    return peer_hears<Start>().id;
  }

  void check_failure(Failure failure, std::string_view part, std::uint32_t place = 0) {
    CHECK(lane(place).failure() == failure);
    CAPTURE(lane(place).why());
    CHECK(lane(place).why().find(part) != std::string::npos);
  }

  TcpListener listener;
  Endpoint endpoint;
  Readiness readiness;
  Target target;
  std::vector<Told> told;
  SessionLanes lanes;
  UniqueFd peer;
  Heard heard;
  ClientHello client_hello;
};

// Answers the command of a new scene by these frames and gives how that was judged.
std::optional<Failure> judged(const Exercise& exercise, const Expectation& expected,
                              const std::string& frames) {
  Scene scene(exercise, expected);
  REQUIRE(scene.start() == "0.1");
  scene.peer_sends(frames);
  CHECK(scene.next_step() == Step::answered);
  return scene.lane().failure();
}

}  // namespace

TEST_CASE("session lane: connecting is preface, hello, and the daemon's hello") {
  Scene scene(kWhole);
  REQUIRE(scene.lane().connect(0) == Step::pending);
  scene.greet();
  CHECK(scene.next_step() == Step::connected);
  CHECK(scene.lane().state() == SessionLane::State::idle);
  CHECK_FALSE(scene.client_hello.window.has_value());
}

TEST_CASE("session lane: a command is a line for the shell, and its whole reply is compared") {
  Scene scene(kWhole);
  scene.connect();
  REQUIRE(scene.lane().start(5, 7) == Step::pending);
  const Start start = scene.peer_hears<Start>();
  CHECK(start.shell);
  CHECK(start.reply == ReplyForm::whole);
  CHECK_FALSE(start.takes_stdin);
  CHECK(scene.heard.payload == "the command");
  scene.peer_sends(whole(exit_of(start.id, 6), "hello\n"));
  CHECK(scene.next_step() == Step::answered);
  CHECK(scene.lane().failure() == std::nullopt);
  CHECK(scene.lane().due() == 5);
  CHECK(scene.lane().take_bytes() == 6);
}

TEST_CASE("session lane: started without a connection it opens the session first") {
  Scene scene(kWhole);
  REQUIRE(scene.lane().start(1, 2) == Step::pending);
  scene.greet();
  const std::string id = scene.peer_hears<Start>().id;
  scene.peer_sends(whole(exit_of(id, 6), "hello\n"));
  CHECK(scene.next_step() == Step::answered);
  CHECK(scene.lane().failure() == std::nullopt);
}

TEST_CASE("session lane: every command has an id of its own") {
  Scene scene(kWhole);
  for (const char* id : {"0.1", "0.2", "0.3"}) {
    REQUIRE(scene.start() == id);
    scene.peer_sends(whole(exit_of(id, 6), "hello\n"));
    REQUIRE(scene.next_step() == Step::answered);
    REQUIRE(scene.lane().failure() == std::nullopt);
  }
}

TEST_CASE(
    "session lane: a streamed reply may come in pieces of both streams, and the first byte's time is kept") {
  Scene scene(kStream, {"outputerr", ExitStatus::exited(0), 6});
  const std::string id = scene.start();
  CHECK_FALSE(scene.lane().first_byte().has_value());
  scene.peer_sends(frame(Started{id, 42, false}) + output(id, StdStream::out, 0, "out") +
                   output(id, StdStream::err, 0, "err") + output(id, StdStream::out, 3, "put") +
                   frame(exit_of(id, 6, 3)));
  CHECK(scene.next_step() == Step::answered);
  CHECK(scene.lane().failure() == std::nullopt);
  CHECK(scene.lane().first_byte().has_value());
}

TEST_CASE("session lane: a reply that comes byte by byte is one reply") {
  Scene scene(kStream);
  const std::string id = scene.start();
  const std::string bytes =
      frame(Started{id, 42, false}) + output(id, StdStream::out, 0, "hello\n") + frame(exit_of(id, 6));
  for (const char byte : bytes) {
    scene.peer_sends(std::string(1, byte));
    scene.turn(kDeadline);
  }
  CHECK(scene.next_step() == Step::answered);
  CHECK(scene.lane().failure() == std::nullopt);
}

TEST_CASE("session lane: a wrong byte, offset, count or status is a failure, and the session stays good") {
  const std::string started = frame(Started{"0.1", 42, false});
  const std::string hello = output("0.1", StdStream::out, 0, "hello\n");
  Exit killed = exit_of("0.1", 6);
  killed.status = ExitStatus::killed(SIGKILL);
  Exit truncated = exit_of("0.1", 6);
  truncated.truncated = true;
  const auto streamed = [&](const std::string& frames) { return judged(kStream, kHello, frames); };

  CHECK(streamed(started + hello + frame(exit_of("0.1", 6))) == std::nullopt);
  CHECK(streamed(started + output("0.1", StdStream::out, 0, "hellO\n") + frame(exit_of("0.1", 6))) ==
        Failure::bytes);
  CHECK(streamed(started + output("0.1", StdStream::err, 0, "hello\n") + frame(exit_of("0.1", 0, 6))) ==
        Failure::bytes);
  CHECK(streamed(started + output("0.1", StdStream::out, 1, "hello\n") + frame(exit_of("0.1", 6))) ==
        Failure::protocol);
  CHECK(streamed(started + hello + frame(exit_of("0.1", 7))) == Failure::bytes);
  CHECK(streamed(started + hello + hello + frame(exit_of("0.1", 12))) == Failure::protocol);
  CHECK(streamed(started + hello + output("0.1", StdStream::out, 6, "!") + frame(exit_of("0.1", 7))) ==
        Failure::bytes);
  CHECK(streamed(started + frame(exit_of("0.1", 0))) == Failure::bytes);
  CHECK(streamed(started + hello + frame(killed)) == Failure::status);
  CHECK(streamed(started + hello + frame(truncated)) == Failure::bytes);
  CHECK(streamed(hello + frame(exit_of("0.1", 6))) == Failure::protocol);
  CHECK(streamed(started + started + hello + frame(exit_of("0.1", 6))) == Failure::protocol);
}

TEST_CASE("session lane: a whole reply is wrong in a byte, a length, or by coming in pieces") {
  CHECK(judged(kWhole, kHello, whole(exit_of("0.1", 6), "hellO\n")) == Failure::bytes);
  CHECK(judged(kWhole, kHello, whole(exit_of("0.1", 5), "hello")) == Failure::bytes);
  CHECK(judged(kWhole, kHello, whole(exit_of("0.1", 2, 4), "hello\n")) == Failure::bytes);
  CHECK(judged(kWhole, kHello, frame(Started{"0.1", 42, false}) + whole(exit_of("0.1", 6), "hello\n")) ==
        Failure::protocol);
  const Expectation both{"outerr", ExitStatus::exited(0), 3};
  CHECK(judged(kWhole, both, whole(exit_of("0.1", 3, 3), "outerr")) == std::nullopt);
  CHECK(judged(kWhole, both, whole(exit_of("0.1", 3, 3), "outeRr")) == Failure::bytes);
}

TEST_CASE("session lane: after a wrong reply the next one is judged anew") {
  Scene scene(kWhole);
  scene.peer_sends(whole(exit_of(scene.start(), 6), "hellO\n"));
  REQUIRE(scene.next_step() == Step::answered);
  REQUIRE(scene.lane().failure() == Failure::bytes);
  scene.peer_sends(whole(exit_of(scene.start(), 6), "hello\n"));
  CHECK(scene.next_step() == Step::answered);
  CHECK(scene.lane().failure() == std::nullopt);
}

TEST_CASE("session lane: of zeros each byte is looked at") {
  const Expectation zeros{"", ExitStatus::exited(0), UINT64_MAX, 1000};
  std::string bytes(1000, '\0');
  const auto streamed = [&] {
    return frame(Started{"0.1", 42, false}) + output("0.1", StdStream::out, 0, bytes.substr(0, 600)) +
           output("0.1", StdStream::out, 600, bytes.substr(600)) + frame(exit_of("0.1", bytes.size()));
  };
  CHECK(judged(kStream, zeros, streamed()) == std::nullopt);
  for (const std::size_t at : {0U, 1U, 599U, 600U, 999U}) {
    CAPTURE(at);
    bytes[at] = 1;
    CHECK(judged(kStream, zeros, streamed()) == Failure::bytes);
    bytes[at] = 0;
  }
  bytes += '\0';
  CHECK(judged(kStream, zeros, streamed()) == Failure::bytes);
}

TEST_CASE("session lane: an error about the command is its end, busy or not") {
  CHECK(judged(kWhole, kHello, frame(SessionError{"0.1", {"busy", "full", "", "", 100}})) == Failure::busy);
  CHECK(judged(kWhole, kHello, frame(SessionError{"0.1", {"spawn", "no", "exec", "ENOENT", {}}})) ==
        Failure::server_error);
}

TEST_CASE("session lane: an error about the session ends it with the daemon's words") {
  Scene scene(kWhole);
  scene.start();
  scene.peer_sends(frame(SessionError{"", {"protocol", "a flaw", "", "", {}}}));
  CHECK(scene.next_step() == Step::answered);
  scene.check_failure(Failure::server_error, "protocol: a flaw");
  CHECK(scene.lane().state() == SessionLane::State::closed);
}

TEST_CASE(
    "session lane: frames about nobody, after the last one, before the hello or broken end the session") {
  for (const std::string& frames :
       {frame(Started{"7.1", 42, false}), frame(Started{"0.2", 42, false}), frame(Started{"x", 42, false}),
        frame(Scene::server_hello()), std::string("\xff\xff\xff\xff", 4), frame_head(R"({"type":"odd"})")}) {
    Scene scene(kStream);
    scene.start();
    scene.peer_sends(frames);
    CHECK(scene.next_step() == Step::answered);
    CHECK(scene.lane().failure() == Failure::protocol);
    CHECK(scene.lane().state() == SessionLane::State::closed);
  }
  Scene scene(kWhole);
  scene.peer_sends(whole(exit_of(scene.start(), 6), "hello\n"));
  REQUIRE(scene.next_step() == Step::answered);
  scene.peer_sends(whole(exit_of("0.1", 6), "hello\n"));
  CHECK(scene.next_step() == Step::lost);
  scene.check_failure(Failure::protocol, "'0.1', which is no command");
}

TEST_CASE(
    "session lane: a session that ends under a command is closed early, between commands it is only lost") {
  Scene scene(kWhole);
  scene.start();
  scene.peer.reset();
  CHECK(scene.next_step() == Step::answered);
  CHECK(scene.lane().failure() == Failure::closed);
  scene.connect();
  scene.peer.reset();
  CHECK(scene.next_step() == Step::lost);
  CHECK(scene.lane().failure() == std::nullopt);
}

TEST_CASE("session lane: pings are answered, also by a session that has nothing to do") {
  Scene scene(kWhole, kHello, 1, 1);
  SUBCASE("between commands") { scene.connect(); }
  SUBCASE("under a command") { scene.start(); }
  SUBCASE("an idle session") {
    REQUIRE(scene.lane(1).connect(0) == Step::pending);
    scene.greet();
    REQUIRE(scene.next().lane == 1);
  }
  scene.peer_sends(frame(Ping{}));
  scene.peer_hears<Pong>();
}

TEST_CASE("session lane: lanes that share a session are told apart by their ids") {
  Scene scene(kWhole, kHello, 3);
  for (std::uint32_t place = 0; place < 3; ++place) REQUIRE(scene.lane(place).connect(0) == Step::pending);
  scene.greet();
  for (std::uint32_t place = 0; place < 3; ++place) CHECK(scene.next().lane == place);
  const std::string ids[] = {scene.start(0), scene.start(1), scene.start(2)};
  scene.peer_sends(whole(exit_of(ids[2], 6), "hello\n") + whole(exit_of(ids[0], 6), "hellO\n"));
  CHECK(scene.next().lane == 2);
  CHECK(scene.lane(2).failure() == std::nullopt);
  CHECK(scene.next().lane == 0);
  CHECK(scene.lane(0).failure() == Failure::bytes);
  CHECK(scene.lane(1).in_flight());
}

TEST_CASE("session lane: a shared session that breaks is told to every lane") {
  Scene scene(kWhole, kHello, 3);
  for (std::uint32_t place = 0; place < 3; ++place) REQUIRE(scene.lane(place).connect(0) == Step::pending);
  scene.greet();
  for (int i = 0; i < 3; ++i) scene.next();
  scene.start(1);
  scene.peer.reset();
  Step steps[3];
  for (int i = 0; i < 3; ++i) {
    const Told told = scene.next();
    steps[told.lane] = told.step;
  }
  CHECK(steps[0] == Step::lost);
  CHECK(steps[1] == Step::answered);
  CHECK(steps[2] == Step::lost);
}

TEST_CASE(
    "session lane: a command of a shared session that takes too long is killed, and its late frames passed "
    "over") {
  Scene scene(kStream, kHello, 2);
  for (std::uint32_t place = 0; place < 2; ++place) REQUIRE(scene.lane(place).connect(0) == Step::pending);
  scene.greet();
  for (int i = 0; i < 2; ++i) scene.next();
  const std::string late = scene.start(0);
  const std::string other = scene.start(1);
  CHECK(scene.lane(0).expire() == Step::answered);
  CHECK(scene.lane(0).failure() == Failure::timeout);
  const Signal signal = scene.peer_hears<Signal>();
  CHECK(signal.id == late);
  CHECK(signal.signal == SIGKILL);
  scene.peer_sends(frame(Started{late, 42, false}) + output(late, StdStream::out, 0, "hel") +
                   frame(exit_of(late, 3)) + frame(Started{other, 43, false}) +
                   output(other, StdStream::out, 0, "hello\n") + frame(exit_of(other, 6)));
  CHECK(scene.next().lane == 1);
  CHECK(scene.lane(1).failure() == std::nullopt);
}

TEST_CASE("session lane: alone on its session it gives up a command with the connection") {
  Scene scene(kWhole);
  scene.start();
  CHECK(scene.lane().expire() == Step::answered);
  CHECK(scene.lane().failure() == Failure::timeout);
  char byte;
  CHECK(::recv(scene.peer.get(), &byte, 1, 0) == 0);
}

TEST_CASE("session lane: with a window it credits what it has taken, for each stream") {
  Exercise exercise = kStream;
  exercise.window = 8;
  Scene scene(exercise, {"outputerr", ExitStatus::exited(0), 6});
  const std::string id = scene.start();
  CHECK(scene.client_hello.window == 8);
  scene.peer_sends(frame(Started{id, 42, false}) + output(id, StdStream::out, 0, "out") +
                   output(id, StdStream::err, 0, "err") + output(id, StdStream::out, 3, "put"));
  const Credit credit = scene.peer_hears<Credit>();
  CHECK(credit.stream == StdStream::out);
  CHECK(credit.bytes == 6);
}

TEST_CASE("session lane: stdin is fed within the window and no further until there is credit") {
  Exercise exercise = kFeed;
  exercise.feed_bytes = 300'000;
  Scene scene(exercise, {"300000\n", ExitStatus::exited(0)});
  const std::string id = scene.start();
  std::uint64_t have = 0;
  const auto take = [&](std::uint64_t until) {
    while (have < until) {
      const StdinBytes bytes = scene.peer_hears<StdinBytes>();
      REQUIRE(bytes.id == id);
      REQUIRE(bytes.off == have);
      have += bytes.len;
      REQUIRE(bytes.eof == (have == exercise.feed_bytes));
    }
  };
  take(kStdinWindowBytes);
  CHECK(have == kStdinWindowBytes);
  scene.read_more();
  CHECK_FALSE(scene.heard.next().has_value());
  scene.peer_sends(frame(Credit{id, StdStream::in, 100'000}));
  take(300'000);
  scene.peer_sends(whole(exit_of(id, 7), "300000\n"));
  CHECK(scene.next_step() == Step::answered);
  CHECK(scene.lane().failure() == std::nullopt);
  CHECK(scene.lane().take_bytes() == 300'000);
}

TEST_CASE("session lane: of a command that has counted other bytes the answer is wrong") {
  Exercise exercise = kFeed;
  exercise.feed_bytes = 10;
  CHECK(judged(exercise, {"10\n", ExitStatus::exited(0)}, whole(exit_of("0.1", 2), "9\n")) == Failure::bytes);
}

TEST_CASE("session lane: a command that stops its stdin is sent no more of it") {
  Exercise exercise = kFeed;
  exercise.feed_bytes = 1'000'000;
  Scene scene(exercise, {"0\n", ExitStatus::exited(0)});
  const std::string id = scene.start();
  scene.peer_sends(frame(Stop{id, StdStream::in}) + frame(Credit{id, StdStream::in, 500'000}) +
                   whole(exit_of(id, 2), "0\n"));
  CHECK(scene.next_step() == Step::answered);
  CHECK(scene.lane().failure() == std::nullopt);
}

TEST_CASE(
    "session lane: a conversation starts its command once, before it is connected, and talks line by line") {
  Scene scene(kConverse);
  REQUIRE(scene.lane().connect(0) == Step::pending);
  scene.greet();
  const Start start = scene.peer_hears<Start>();
  CHECK(start.takes_stdin);
  scene.peer_sends(frame(Started{start.id, 42, false}));
  REQUIRE(scene.next_step() == Step::connected);
  for (std::uint64_t turn = 0; turn < 3; ++turn) {
    REQUIRE(scene.lane().start(1, 2) == Step::pending);
    const StdinBytes line = scene.peer_hears<StdinBytes>();
    CHECK(line.off == 6 * turn);
    CHECK(scene.heard.payload == "hello\n");
    scene.peer_sends(output(start.id, StdStream::out, 6 * turn, "hel") +
                     output(start.id, StdStream::out, 6 * turn + 3, "lo\n"));
    CHECK(scene.next_step() == Step::answered);
    CHECK(scene.lane().failure() == std::nullopt);
  }
  REQUIRE(scene.lane().wind_up() == Step::pending);
  CHECK(scene.peer_hears<StdinBytes>().eof);
  scene.peer_sends(frame(exit_of(start.id, 18)));
  CHECK(scene.next_step() == Step::answered);
  CHECK(scene.lane().failure() == std::nullopt);
}

TEST_CASE("session lane: a line that comes back wrong, too long or not at all is noticed") {
  const auto first_turn = [](Scene& scene) {
    REQUIRE(scene.lane().connect(0) == Step::pending);
    scene.greet();
    scene.peer_sends(frame(Started{scene.peer_hears<Start>().id, 42, false}));
    REQUIRE(scene.next_step() == Step::connected);
    REQUIRE(scene.lane().start(1, 2) == Step::pending);
  };
  SUBCASE("a byte") {
    Scene scene(kConverse);
    first_turn(scene);
    scene.peer_sends(output("0.1", StdStream::out, 0, "hellO\n"));
    CHECK(scene.next_step() == Step::answered);
    scene.check_failure(Failure::bytes, "byte 4 of stdout");
  }
  SUBCASE("too long") {
    Scene scene(kConverse);
    first_turn(scene);
    scene.peer_sends(output("0.1", StdStream::out, 0, "hello\n!"));
    CHECK(scene.next_step() == Step::answered);
    scene.check_failure(Failure::bytes, "more than 6 bytes");
  }
  SUBCASE("unasked") {
    Scene scene(kConverse);
    first_turn(scene);
    scene.peer_sends(output("0.1", StdStream::out, 0, "hello\n") + output("0.1", StdStream::out, 6, "!"));
    CHECK(scene.next_step() == Step::answered);
    CHECK(scene.next_step() == Step::lost);
    scene.check_failure(Failure::protocol, "nobody had asked for");
  }
  SUBCASE("an end instead") {
    Scene scene(kConverse);
    first_turn(scene);
    scene.peer_sends(frame(exit_of("0.1", 0)));
    CHECK(scene.next_step() == Step::answered);
    scene.check_failure(Failure::closed, "has ended");
  }
  SUBCASE("a wrong count at its end") {
    Scene scene(kConverse);
    first_turn(scene);
    scene.peer_sends(output("0.1", StdStream::out, 0, "hello\n"));
    REQUIRE(scene.next_step() == Step::answered);
    REQUIRE(scene.lane().wind_up() == Step::pending);
    scene.peer_sends(frame(exit_of("0.1", 7)));
    CHECK(scene.next_step() == Step::answered);
    scene.check_failure(Failure::bytes, "6 bytes of stdout have come and 7");
  }
}
