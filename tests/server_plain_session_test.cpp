#include "proto/limits.hpp"
#include "server/job_table.hpp"
#include "server/plain_session.hpp"
#include "tests/fake_channel.hpp"
#include "tests/job_fixture.hpp"
#include "tests/replies.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

// One conversation over a channel and children that are both the test's.
class SessionFixture : public StoreFixture, private JobClients {
 public:
  ~SessionFixture() { finish_work(); }

  void receive(std::string_view bytes) {
    channel.quiet_ms = 0;
    session->received(bytes);
  }
  void go_quiet() {
    REQUIRE(channel.quiet_ms > 0);
    channel.quiet_ms = 0;
    session->quiet();
  }
  bool waits_for_quiet() const { return channel.quiet_ms > 0; }

  // The next command that is started; it ends at once, with `output`.
  std::string run_next(std::string_view output = "") {
    const std::string command = start_next();
    spawner.last().write(0, output);
    end_last();
    return command;
  }
  std::string start_next() {
    REQUIRE(run_until([&] { return spawner.puppets.size() > started_; }));
    return spawner.puppets.at(started_++)->command;
  }
  void end_last() {
    const std::size_t before = finished_;
    spawner.last().leave(0);
    REQUIRE(run_until([&] { return finished_ > before; }));
  }
  bool nothing_started() {
    run_turns();
    return spawner.puppets.size() == started_;
  }
  std::vector<Reply> replies() const { return replies_in(channel.sent); }
  std::string last_error() const {
    const auto all = replies();
    REQUIRE_FALSE(all.empty());
    return all.back().error();
  }

  PuppetSpawner spawner;
  JobTable jobs{store, spawner, *this, {1, 1, 1 << 20, 10}, spec("")};
  MemoryBudget requests{kRequestMemoryBytes};
  FakeChannel channel;
  std::unique_ptr<PlainSession> session = std::make_unique<PlainSession>(1, channel, jobs, store, requests);

 private:
  void command_finished(ConnectionId client, JobId, JobResult result) override {
    ++finished_;
    if (client == 1 && session) session->command_finished(std::move(result));
  }
  void jobs_are_idle() override {}

  std::size_t started_ = 0, finished_ = 0;
};

std::string letters(std::size_t count) { return std::string(count, 'a'); }

}  // namespace

TEST_CASE_FIXTURE(SessionFixture, "plain session: one short burst is one command, answered by one frame") {
  receive("ls -l");
  CHECK_FALSE(waits_for_quiet());
  CHECK(run_next("files") == "ls -l");
  REQUIRE(replies().size() == 1);
  CHECK(replies()[0].out() == "files");
  CHECK(channel.sends == 1);
  CHECK_FALSE(channel.finished);
}

TEST_CASE_FIXTURE(SessionFixture,
                  "plain session: a burst of 511 bytes starts at once, 512 and 513 wait for quiet") {
  for (const std::size_t size : {kUncutBytes - 1, kUncutBytes, kUncutBytes + 1}) {
    CAPTURE(size);
    receive(letters(size));
    CHECK(waits_for_quiet() == (size >= kUncutBytes));
    if (waits_for_quiet()) {
      CHECK(nothing_started());
      CHECK(channel.quiet_ms == kBurstQuietMs);
      go_quiet();
    }
    CHECK(run_next() == letters(size));
  }
}

TEST_CASE_FIXTURE(SessionFixture, "plain session: what follows a long burst before the quiet belongs to it") {
  receive(letters(600));
  receive("b");
  CHECK(waits_for_quiet());
  receive("c");
  go_quiet();
  CHECK(run_next() == letters(600) + "bc");
}

TEST_CASE_FIXTURE(SessionFixture, "plain session: the end of input ends a long burst without any quiet") {
  receive(letters(600));
  session->half_closed();
  CHECK(run_next() == letters(600));
  CHECK(replies().size() == 1);
  CHECK(channel.finished);
}

TEST_CASE_FIXTURE(SessionFixture, "plain session: what comes while a command runs is the next command") {
  receive("first");
  CHECK(start_next() == "first");
  receive("sec");
  receive("ond");
  CHECK(nothing_started());
  end_last();
  CHECK(run_next() == "second");
  CHECK(replies().size() == 2);
}

TEST_CASE_FIXTURE(SessionFixture, "plain session: what comes while a reply is under way waits for its end") {
  channel.blocked = true;
  receive("first");
  run_next("output");
  receive("second");
  CHECK(nothing_started());
  REQUIRE(channel.flow(channel.waiting));
  session->drained();
  CHECK(run_next() == "second");
}

TEST_CASE_FIXTURE(SessionFixture, "plain session: a command of exactly 1 MiB runs") {
  const std::string command = letters(kMaxCommandBytes);
  receive(command);
  go_quiet();
  CHECK((run_next() == command));
}

TEST_CASE_FIXTURE(SessionFixture, "plain session: a longer command is refused whole, however it is cut") {
  for (const std::size_t piece : {kMaxCommandBytes + 1, std::size_t{65536}, std::size_t{100003}}) {
    CAPTURE(piece);
    for (std::size_t left = 2 * kMaxCommandBytes; left > 0; left -= std::min(left, piece)) {
      receive(letters(std::min(left, piece)));
      CHECK(waits_for_quiet());
    }
    CHECK(nothing_started());
    go_quiet();
    CHECK(last_error() == error_name::kLimit);
    CHECK(nothing_started());
    CHECK(requests.left() == kRequestMemoryBytes);
  }
  CHECK(replies().size() == 3);
  receive("echo next");
  CHECK(run_next() == "echo next");
}

TEST_CASE_FIXTURE(SessionFixture,
                  "plain session: a too long command holds no memory while it waits its turn") {
  receive("runs");
  start_next();
  receive(letters(kMaxCommandBytes));
  CHECK(requests.left() == kRequestMemoryBytes - kMaxCommandBytes);
  receive("x");
  CHECK(requests.left() == kRequestMemoryBytes);
  end_last();
  go_quiet();
  CHECK(last_error() == error_name::kLimit);
}

TEST_CASE_FIXTURE(SessionFixture, "plain session: NUL in a command is refused, and nothing of it runs") {
  receive(std::string_view("echo a\0; touch x", 16));
  CHECK(last_error() == error_name::kProtocol);
  CHECK(nothing_started());
  receive("echo next");
  CHECK(run_next() == "echo next");
}

TEST_CASE_FIXTURE(SessionFixture,
                  "plain session: NUL as the first byte is another protocol: told, and closed") {
  receive(std::string_view("\0RW\1", 4));
  CHECK(last_error() == error_name::kProtocol);
  CHECK(channel.finished);
  receive("echo no");
  CHECK(nothing_started());
}

TEST_CASE_FIXTURE(SessionFixture, "plain session: HTTP, TLS and SSH are dropped by name and run nothing") {
  const std::pair<std::string, std::string> openings[] = {
      {"POST / HTTP/1.1\r\nHost: x\r\n\r\ntouch x", "http"},
      {"\x16\x03\x01", "tls"},
      {"SSH-2.0-x\r\n", "ssh"}};
  for (const auto& [bytes, name] : openings) {
    session = std::make_unique<PlainSession>(1, channel, jobs, store, requests);
    receive(bytes);
    CHECK(channel.dropped == name);
    receive("touch x");
    session->quiet();
    CHECK(nothing_started());
  }
  CHECK(channel.sent.empty());
}

TEST_CASE_FIXTURE(SessionFixture, "plain session: HTTP is recognized byte by byte, before anything runs") {
  const std::string request = "GET / HTTP/1.1\r\n";
  for (const char byte : request)
    if (channel.dropped.empty()) receive({&byte, 1});
  CHECK(channel.dropped == "http");
  CHECK(nothing_started());
}

TEST_CASE_FIXTURE(SessionFixture,
                  "plain session: HTTP is recognized in a later command of a connection, too") {
  receive("echo first");
  start_next();
  receive("GET / HTTP/1.1\r\n\r\n");
  end_last();
  CHECK(channel.dropped == "http");
  CHECK(nothing_started());
}

TEST_CASE_FIXTURE(SessionFixture,
                  "plain session: what could become HTTP waits for quiet, and then is a command") {
  receive("head");
  CHECK(waits_for_quiet());
  CHECK(nothing_started());
  go_quiet();
  CHECK(run_next() == "head");
}

TEST_CASE_FIXTURE(SessionFixture,
                  "plain session: without memory for it a request is `busy`, and is not kept") {
  MemoryLease others(requests);
  REQUIRE(others.extend(kRequestMemoryBytes - 10));
  receive("echo long enough");
  CHECK(waits_for_quiet());
  go_quiet();
  CHECK(last_error() == error_name::kBusy);
  CHECK(replies()[0].header.error->retry_ms.has_value());
  CHECK(nothing_started());
  CHECK(requests.left() == 10);
  receive("echo 1");
  CHECK(run_next() == "echo 1");
}

TEST_CASE_FIXTURE(SessionFixture,
                  "plain session: a request's memory is given back when it starts, and with the session") {
  receive(letters(1000));
  CHECK(requests.left() == kRequestMemoryBytes - 1000);
  go_quiet();
  CHECK(requests.left() == kRequestMemoryBytes);
  run_next();
  receive(letters(1000));
  session.reset();
  CHECK(requests.left() == kRequestMemoryBytes);
}

TEST_CASE_FIXTURE(SessionFixture, "plain session: `busy` when too many commands wait already") {
  REQUIRE(jobs.submit(2, {"one"}));
  REQUIRE(jobs.submit(2, {"two"}));
  receive("three");
  CHECK(last_error() == error_name::kBusy);
  CHECK_FALSE(channel.finished);
  run_next();
  run_next();
}

TEST_CASE_FIXTURE(SessionFixture, "plain session: half-closed with nothing to do is finished") {
  session->half_closed();
  CHECK(channel.finished);
  CHECK(channel.sent.empty());
}

TEST_CASE_FIXTURE(
    SessionFixture,
    "plain session: half-closed while a command runs still gets its reply, and what was piped in") {
  receive("first");
  start_next();
  receive("second");
  session->half_closed();
  CHECK_FALSE(channel.finished);
  end_last();
  CHECK_FALSE(channel.finished);
  CHECK(run_next() == "second");
  CHECK(replies().size() == 2);
  CHECK(channel.finished);
}

TEST_CASE_FIXTURE(SessionFixture, "plain session: half-closed after half a method's name runs what it is") {
  receive("head");
  session->half_closed();
  CHECK(run_next() == "head");
  CHECK(channel.finished);
}

TEST_CASE_FIXTURE(SessionFixture, "plain session: winding up while idle finishes at once") {
  session->wind_up();
  CHECK(channel.finished);
  CHECK(channel.sent.empty());
}

TEST_CASE_FIXTURE(SessionFixture,
                  "plain session: winding up lets the running command answer, and takes no other") {
  receive("first");
  start_next();
  session->wind_up();
  CHECK_FALSE(channel.finished);
  end_last();
  CHECK(replies().size() == 1);
  CHECK(channel.finished);
  CHECK(nothing_started());
}

TEST_CASE_FIXTURE(
    SessionFixture,
    "plain session: winding up tells a command behind the running one that it was not started") {
  const bool kBefore = true, kAfter = false;  // the winding up
  for (const bool comes : {kBefore, kAfter}) {
    CAPTURE(comes);
    channel = FakeChannel();
    session = std::make_unique<PlainSession>(1, channel, jobs, store, requests);
    receive("first");
    start_next();
    if (comes == kBefore) receive("second");
    session->wind_up();
    if (comes == kAfter) receive("second");
    end_last();
    REQUIRE(replies().size() == 2);
    CHECK(replies()[0].error() == "");
    CHECK(last_error() == error_name::kShutdown);
    CHECK(channel.finished);
    CHECK(requests.left() == kRequestMemoryBytes);
    CHECK(nothing_started());
  }
}

TEST_CASE_FIXTURE(SessionFixture,
                  "plain session: winding up while a reply is under way answers what came behind, once") {
  channel.blocked = true;
  receive("first");
  run_next("output");
  receive("second");
  session->wind_up();
  REQUIRE(channel.flow(channel.waiting));
  session->drained();
  receive("third");
  CHECK_FALSE(channel.finished);
  REQUIRE(channel.flow(channel.waiting));
  session->drained();
  REQUIRE(replies().size() == 2);
  CHECK(last_error() == error_name::kShutdown);
  CHECK(channel.finished);
}

TEST_CASE_FIXTURE(SessionFixture,
                  "plain session: white space without end is judged up to a limit, and is a command") {
  const std::string blank(kJudgedBytes + 600, ' ');
  for (const char c : blank) receive({&c, 1});
  receive("GET / HTTP/1.1\r\n");
  CHECK(channel.dropped == "");
  go_quiet();
  CHECK(run_next() == blank + "GET / HTTP/1.1\r\n");
}

TEST_CASE_FIXTURE(SessionFixture, "plain session: winding up answers a request that was not yet complete") {
  receive(letters(600));
  session->wind_up();
  CHECK(last_error() == error_name::kShutdown);
  CHECK(channel.finished);
  session->quiet();
  CHECK(nothing_started());
}

TEST_CASE_FIXTURE(SessionFixture, "plain session: once over it hears nothing any more") {
  session->half_closed();
  receive("echo late");
  session->quiet();
  session->drained();
  session->half_closed();
  session->command_finished({});
  CHECK(nothing_started());
  CHECK(channel.sent.empty());
}
