#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "proto/limits.hpp"
#include "server/connection.hpp"
#include "server/job_table.hpp"
#include "server/kept_jobs.hpp"
#include "tests/job_fixture.hpp"
#include "tests/local_client.hpp"
#include "tests/replies.hpp"
#include "tests/session_frames.hpp"
#include "tests/socket_pair.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

// One connection over a real socket, its commands run by children that the test plays.
class ConnectionFixture : public StoreFixture, private JobClients {
 public:
  ConnectionFixture() { connect(Kind::tcp4); }
  ~ConnectionFixture() {
    connection.reset();
    finish_work();
  }

  void connect(Kind kind) {
    connection.reset();
    spawner.puppets.clear();
    closed = 0;
    SocketPair pair(kind);
    fcntl(pair.client.get(), F_SETFL, O_NONBLOCK);
    client = std::make_unique<Client>(std::move(pair.client));
    connection = std::make_unique<Connection>(1, stream_of(kind, pair.server.release()), context);
  }
  Stream stream_of(Kind kind, int fd) {
    if (kind == Kind::unix_socket) {
      auto pipe = make_handle<uv_pipe_t>(nullptr, [&](uv_pipe_t* p) { return uv_pipe_init(loop(), p, 0); });
      REQUIRE(uv_pipe_open(pipe.get(), fd) == 0);
      return pipe;
    }
    auto tcp = make_handle<uv_tcp_t>(nullptr, [&](uv_tcp_t* t) { return uv_tcp_init(loop(), t); });
    REQUIRE(uv_tcp_open(tcp.get(), fd) == 0);
    return tcp;
  }

  PuppetSpawner::Puppet& wait_for_command(std::size_t number) {
    REQUIRE(run_until([&] { return spawner.puppets.size() >= number; }));
    return *spawner.puppets[number - 1];
  }
  std::vector<Reply> wait_for_replies(std::size_t count) {
    REQUIRE(run_until([&] { return replies_in(client->received()).size() >= count; }));
    return replies_in(client->received());
  }
  void wait_until_closed() {
    REQUIRE(run_until([&] { return closed > 0; }));
    run_turns();
    CHECK(closed == 1);
  }

  PuppetSpawner spawner;
  JobTable jobs{store, spawner, *this, {4, 10, std::uint64_t{1} << 30, 10}, spec("")};
  MemoryBudget requests{kRequestMemoryBytes};
  MemoryBudget inputs{kInputMemoryBytes};
  SpillArena arena{store, 1 << 24};
  KeptJobs kept{{jobs, store, arena, requests, inputs, 1 << 22, 0}, {100, 1000}};
  int closed = 0;
  std::string refused;
  ServerHello hello{"00", "a daemon", {}, 0};
  Connection::Context context{jobs,
                              kept,
                              store,
                              requests,
                              inputs,
                              100,
                              hello,
                              [this](ConnectionId id) {
                                ++closed;
                                jobs.abandon(id);
                              },
                              [this](ConnectionId, std::string_view why) { refused = why; }};
  std::unique_ptr<Client> client;
  std::unique_ptr<Connection> connection;

 private:
  void command_finished(ConnectionId, JobId id, JobResult result) override {
    if (connection && closed == 0) connection->command_finished(id, std::move(result));
  }
  void jobs_are_idle() override {}
};

// The loop does nothing for so long, as where one turn has too much to do.
void hold_up(std::uint64_t ms) {
  for (const std::uint64_t end = uv_hrtime() + ms * 1000000; uv_hrtime() < end;) {
  }
}

}  // namespace

TEST_CASE_FIXTURE(ConnectionFixture,
                  "connection: carries a command in and its reply out, over TCP and a Unix socket") {
  for (const Kind kind : {Kind::tcp4, Kind::unix_socket}) {
    connect(kind);
    connection->start();
    client->send("echo hi");
    auto& child = wait_for_command(1);
    CHECK(child.command == "echo hi");
    child.write(0, "hi\n");
    child.leave(0);
    CHECK(wait_for_replies(1)[0].out() == "hi\n");
    CHECK(closed == 0);
  }
}

TEST_CASE_FIXTURE(ConnectionFixture, "connection: a long burst in pieces is one command after its quiet") {
  connection->start();
  std::string whole;
  for (int i = 0; i < 5; ++i) {
    const std::string piece(1000, static_cast<char>('a' + i));
    client->send(piece);
    whole += piece;
    run_turns();
  }
  CHECK(spawner.puppets.empty());
  CHECK(wait_for_command(1).command == whole);
  spawner.last().leave(0);
  wait_for_replies(1);
}

TEST_CASE_FIXTURE(ConnectionFixture,
                  "connection: a loop that is late does not cut a burst whose rest has come in time") {
  connection->start();
  client->send(std::string(1000, 'a'));
  REQUIRE(run_until([&] { return requests.left() < kRequestMemoryBytes; }));  // its first part was read
  client->send("b");
  hold_up(3 * kBurstQuietMs);
  CHECK(wait_for_command(1).command == std::string(1000, 'a') + "b");
  spawner.last().leave(0);
  wait_for_replies(1);
  CHECK(spawner.puppets.size() == 1);
}

TEST_CASE_FIXTURE(ConnectionFixture,
                  "connection: the quiet is counted from the read, however old the turn is by then") {
  connection->start();
  client->send("x");
  wait_for_command(1).leave(0);
  wait_for_replies(1);
  // Within one turn, and so at one time of the loop: first something slow, then the read.
  SocketPair other(Kind::unix_socket);
  const Stream slow = stream_of(Kind::unix_socket, other.server.release());
  REQUIRE(uv_read_start(
              raw(slow), [](uv_handle_t*, std::size_t, uv_buf_t* room) { *room = {}; },
              [](uv_stream_t* stream, ssize_t, const uv_buf_t*) {
                (void)uv_read_stop(stream);
                hold_up(3 * kBurstQuietMs);
              }) == 0);
  run_turns();
  REQUIRE(send(other.client.get(), "x", 1, 0) == 1);
  client->send(std::string(1000, 'a'));
  REQUIRE(run_until([&] { return requests.left() < kRequestMemoryBytes; }));
  const std::uint64_t read_at = uv_hrtime();
  run_turns(1);
  const bool is_early = uv_hrtime() - read_at < kBurstQuietMs * 1000000 / 2;
  if (is_early) CHECK(jobs.queued() + jobs.running() == 0);
  CHECK(wait_for_command(2).command == std::string(1000, 'a'));
  spawner.last().leave(0);
  wait_for_replies(2);
}

TEST_CASE_FIXTURE(ConnectionFixture, "connection: a half-closed client gets its reply, and then the end") {
  connection->start();
  client->send("last");
  client->half_close();
  auto& child = wait_for_command(1);
  run_for(2 * kWatchMs);
  CHECK(closed == 0);
  child.write(0, "still here");
  child.leave(0);
  CHECK(wait_for_replies(1)[0].out() == "still here");
  wait_until_closed();
  CHECK(client->has_ended());
  CHECK_FALSE(client->was_reset());
}

TEST_CASE_FIXTURE(ConnectionFixture, "connection: a client that half-closes with nothing asked is let go") {
  connection->start();
  client->half_close();
  wait_until_closed();
  CHECK(client->received().empty());
}

TEST_CASE_FIXTURE(ConnectionFixture, "connection: a reset ends it, and what it has running") {
  connection->start();
  client->send("runs");
  wait_for_command(1);
  client->reset();
  wait_until_closed();
  spawner.last().leave(0);
  REQUIRE(run_until([&] { return jobs.running() == 0; }));
}

#ifdef __linux__
TEST_CASE_FIXTURE(
    ConnectionFixture,
    "connection: a client that vanishes after its command is noticed, on TCP and a Unix socket") {
  for (const Kind kind : {Kind::tcp4, Kind::unix_socket}) {
    connect(kind);
    connection->start();
    client->send("runs");
    auto& child = wait_for_command(1);
    client->close();
    wait_until_closed();
    child.leave(0);
    REQUIRE(run_until([&] { return jobs.running() == 0; }));
  }
}
#endif

TEST_CASE_FIXTURE(ConnectionFixture,
                  "connection: what a dead client had asked for next is not started when its reply fails") {
  connection->start();
  client->send("first");
  auto& child = wait_for_command(1);
  client->send("second");
  REQUIRE(run_until([&] { return requests.left() < kRequestMemoryBytes; }));
  child.write(0, "reply");
  child.close_stream(0);
  child.close_stream(1);
  run_turns();
  client->reset();  // nothing is read between this and the reply
  child.exit(0);
  wait_until_closed();
  run_turns();
  CHECK(spawner.puppets.size() == 1);
  CHECK(jobs.queued() == 0);
}

TEST_CASE_FIXTURE(ConnectionFixture,
                  "connection: a client that reads nothing stops its own reply only, and loses nothing") {
  connection->start();
  client->send("large");
  auto& child = wait_for_command(1);
  std::string sent;
  for (int i = 0; i < 400; ++i) {
    const std::string piece(40000, static_cast<char>('a' + i % 26));
    child.write(0, piece);
    sent += piece;
    REQUIRE(run_until([&] {
      int waiting = 0;
      return ioctl(child.ends[0], FIONREAD, &waiting) == 0 && waiting == 0;
    }));
  }
  child.leave(0);
  run_for(100);
  CHECK(store.memory().left() >= kOutputMemoryBytes - kStreamMemoryBytes - 2 * kLargePieceBytes);
  client->half_close();
  REQUIRE(run_until([&] { return client->has_ended(); }));
  const auto replies = replies_in(client->received());
  REQUIRE(replies.size() == 1);
  CHECK((replies[0].out() == sent));
  wait_until_closed();
}

TEST_CASE_FIXTURE(ConnectionFixture, "connection: HTTP is closed without an answer, and named") {
  connection->start();
  client->send("POST / HTTP/1.1\r\n\r\ntouch x");
  wait_until_closed();
  CHECK(refused == "http");
  CHECK(client->received().empty());
  CHECK(spawner.puppets.empty());
}

TEST_CASE_FIXTURE(ConnectionFixture,
                  "connection: one that is turned away is told why, not listened to, and not reset") {
  client->send("touch x");
  connection->turn_away({"denied", "not you", "", "", {}});
  CHECK(wait_for_replies(1)[0].error() == "denied");
  client->half_close();
  wait_until_closed();
  REQUIRE(run_until([&] { return client->has_ended(); }));
  CHECK_FALSE(client->was_reset());
  CHECK(spawner.puppets.empty());
}

TEST_CASE_FIXTURE(ConnectionFixture,
                  "connection: a finished client that never closes is closed all the same") {
  connection->turn_away({"busy", "later", "", "", {}});
  wait_for_replies(1);
  wait_until_closed();
}

TEST_CASE_FIXTURE(ConnectionFixture, "connection: wind up lets go of an idle client at once") {
  connection->start();
  connection->wind_up();
  REQUIRE(run_until([&] { return client->has_ended(); }));
  client->half_close();
  wait_until_closed();
}

TEST_CASE_FIXTURE(
    ConnectionFixture,
    "connection: one that is silent stays where it is when there is no descriptor to go on with") {
  connection->start();
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit none{3, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  const auto taken = connection->take_descriptor();
  REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
  REQUIRE_FALSE(taken.ok());
  CHECK(taken.error().message.find("cannot keep a connection open") != std::string::npos);
  CHECK(closed == 0);
  client->send("served");
  wait_for_command(1).leave(0);
  wait_for_replies(1);
}

TEST_CASE_FIXTURE(ConnectionFixture, "connection: close() with a reply under way leaves nothing behind") {
  connection->start();
  client->send("large");
  auto& child = wait_for_command(1);
  for (int i = 0; i < 200; ++i) {
    child.write(0, std::string(40000, 'x'));
    REQUIRE(run_until([&] {
      int waiting = 0;
      return ioctl(child.ends[0], FIONREAD, &waiting) == 0 && waiting == 0;
    }));
  }
  child.leave(0);
  REQUIRE(run_until([&] {
    pollfd begun{client->fd(), POLLIN, 0};
    return poll(&begun, 1, 0) == 1;
  }));
  connection->close();
  connection->close();
  CHECK(closed == 1);
  connection.reset();
  CHECK(store.memory().left() == kOutputMemoryBytes);
}

// --- sessions ---

namespace {

class SessionConnection : public ConnectionFixture {
 public:
  void open(Kind kind = Kind::tcp4, std::uint64_t ping_ms = 0) {
    hello.ping_ms = ping_ms;
    connect(kind);
    connection->start();
    client->send(kPreface);
    client->send(frame_of(R"({"type":"hello","v":1})"));
    wait_for_frames(1);
  }
  void start(const std::string& id, const std::string& fields = "") {
    client->send(
        frame_of(R"({"type":"start","id":")" + id + R"(","shell":true,)" + fields + R"("len":4})", "line"));
  }
  std::vector<SessionFrame> frames() { return session_frames_in(client->received()); }
  std::string names() { return names_of(frames()); }
  void wait_for_frames(std::size_t count) {
    REQUIRE(run_until([&] { return frames().size() >= count; }));
  }
  static bool is_read(const PuppetSpawner::Puppet& child) {
    int waiting = 0;
    return ioctl(child.ends[0], FIONREAD, &waiting) == 0 && waiting == 0;
  }
};

}  // namespace

TEST_CASE_FIXTURE(SessionConnection,
                  "connection: carries a session where NUL is its first byte, over TCP and a Unix socket") {
  for (const Kind kind : {Kind::tcp4, Kind::unix_socket}) {
    open(kind);
    CHECK(frames()[0].header == to_json(hello));
    start("a");
    auto& child = wait_for_command(1);
    CHECK(child.command == "line");
    child.write(0, "hi\n");
    wait_for_frames(3);
    child.leave(0);
    wait_for_frames(4);
    CHECK(names() == "hello, started a, output a, exit a");
    CHECK(frames()[2].payload == "hi\n");
    CHECK(closed == 0);
  }
}

TEST_CASE_FIXTURE(SessionConnection, "connection: the first byte decides alone, and never later") {
  connection->start();
  client->send(kPreface.substr(0, 1));
  run_turns();
  client->send(kPreface.substr(1));
  client->send(frame_of(R"({"type":"hello","v":1})"));
  wait_for_frames(1);
  connect(Kind::tcp4);
  connection->start();
  client->send("true");
  wait_for_command(1).leave(0);
  wait_for_replies(1);
  client->send(kPreface);
  CHECK(wait_for_replies(2)[1].error() == error_name::kProtocol);
  client->half_close();
  wait_until_closed();
}

TEST_CASE_FIXTURE(SessionConnection, "connection: the end of a session's input is its client's end") {
  for (const Kind kind : {Kind::tcp4, Kind::unix_socket}) {
    open(kind);
    start("a");
    auto& child = wait_for_command(1);
    client->half_close();
    wait_until_closed();
    CHECK(client->has_ended());
    child.leave(0);
    REQUIRE(run_until([&] { return jobs.running() == 0; }));
  }
}

TEST_CASE_FIXTURE(SessionConnection,
                  "connection: the end of a session's input does not wait for what is unsent") {
  open();
  start("a");
  auto& child = wait_for_command(1);
  for (int i = 0; i < 1000 && is_read(child); ++i) {
    child.write(0, std::string(40000, 'x'));
    run_turns();
  }
  client->half_close();
  wait_until_closed();
  child.leave(0);
  REQUIRE(run_until([&] { return jobs.running() == 0; }));
}

TEST_CASE_FIXTURE(SessionConnection,
                  "connection: a session's client that resets is gone, with what it has running") {
  open();
  start("a");
  auto& child = wait_for_command(1);
  client->reset();
  wait_until_closed();
  child.leave(0);
  REQUIRE(run_until([&] { return jobs.running() == 0; }));
}

TEST_CASE_FIXTURE(SessionConnection,
                  "connection: a session's client that does not read stops its commands, no more") {
  open();
  start("a");
  auto& child = wait_for_command(1);
  std::string sent;
  do {
    const std::string piece(40000, static_cast<char>('a' + sent.size() / 40000 % 26));
    child.write(0, piece);
    sent += piece;
    REQUIRE(sent.size() < 1 << 26);  // more than any socket takes
    run_turns();
  } while (is_read(child));
  run_for(20);
  CHECK_FALSE(is_read(child));
  std::string got;
  REQUIRE(run_until([&] {
    got.clear();
    for (const auto& frame : frames()) got += frame.payload;
    return got.size() == sent.size();
  }));
  CHECK((got == sent));
  child.leave(0);
  REQUIRE(run_until([&] { return frames().back().name() == "exit a"; }));
  CHECK(frames().back().as<Exit>().stdout_bytes == sent.size());
}

TEST_CASE_FIXTURE(SessionConnection,
                  "connection: what breaks a session's protocol is told, and not lost by a reset") {
  open();
  start("a");
  auto& child = wait_for_command(1);
  wait_for_frames(2);
  client->send(frame_of(R"({"type":"nonsense"})"));
  client->send(std::string(100000, 'x'));
  wait_for_frames(3);
  CHECK(names() == "hello, started a, error");
  REQUIRE(run_until([&] { return client->has_ended(); }));
  CHECK_FALSE(client->was_reset());
  client->close();
  wait_until_closed();
  child.leave(0);
  REQUIRE(run_until([&] { return jobs.running() == 0; }));
}

TEST_CASE_FIXTURE(SessionConnection,
                  "connection: a session's client that answers no pings is let go, and named") {
  open(Kind::tcp4, 30);
  wait_until_closed();
  CHECK(refused == "silent");
  CHECK(names() == "hello, ping, ping, ping");
}

TEST_CASE_FIXTURE(SessionConnection,
                  "connection: a session's client that answers pings may be quiet for long") {
  open(Kind::unix_socket, 30);
  std::size_t answered = 1;
  REQUIRE(run_until([&] {
    for (; answered < frames().size(); ++answered) client->send(frame_of(to_json(Pong{})));
    return answered > 8;
  }));
  CHECK(closed == 0);
}

TEST_CASE_FIXTURE(SessionConnection, "connection: wind up lets go of a session that has nothing to do") {
  open();
  connection->wind_up();
  REQUIRE(run_until([&] { return client->has_ended(); }));
  CHECK(names() == "hello, error");
  CHECK(frames()[1].as<SessionError>().error.error == error_name::kShutdown);
  client->half_close();
  wait_until_closed();
}

TEST_CASE_FIXTURE(SessionConnection,
                  "connection: close() with a session's commands under way leaves nothing behind") {
  open();
  start("a", R"("stdin":true,)");
  auto& child = wait_for_command(1);
  client->send(frame_of(to_json(StdinBytes{"a", 0, false, 200000}), std::string(200000, 'x')));
  for (int i = 0; i < 1000 && is_read(child); ++i) {
    child.write(0, std::string(40000, 'x'));
    run_turns();
  }
  connection->close();
  CHECK(closed == 1);
  connection.reset();
  CHECK(requests.left() == kRequestMemoryBytes);
  child.leave(0);
  REQUIRE(run_until([&] { return jobs.running() == 0; }));
}
