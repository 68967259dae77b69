#include "proto/frame.hpp"
#include "server/reply_stream.hpp"
#include "tests/fake_channel.hpp"
#include "tests/job_fixture.hpp"
#include "tests/replies.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

class ReplyFixture : public JobFixture {
 public:
  // The reply to a command that writes so many bytes to its two streams.
  void prepare(std::size_t out_bytes, std::size_t err_bytes) {
    start("yes 'out line' | head -c " + std::to_string(out_bytes) + "; yes 'an error' | head -c " +
          std::to_string(err_bytes) + " >&2");
    finish();
    expected_out_ = repeated("out line\n", out_bytes);
    expected_err_ = repeated("an error\n", err_bytes);
    begin(std::move(*result), [this] { pump(); });
  }
  void begin(JobResult from, std::function<void()> wake) {
    std::string head = frame_head(to_json(from.header));
    stream = std::make_unique<ReplyStream>(std::move(head), std::move(from), store, channel, std::move(wake));
  }
  void pump() {
    ++pumps;
    progress = stream->pump();
  }

  // Lets the client take `step` bytes a turn until the reply is over.
  void drain(std::size_t step) {
    while (progress == ReplyProgress::going) {
      REQUIRE(run_until([&] { return channel.waiting > 0 || progress != ReplyProgress::going; }));
      if (channel.flow(step)) pump();
    }
  }
  void check_whole() {
    CHECK(progress == ReplyProgress::sent);
    const auto replies = replies_in(channel.sent);
    REQUIRE(replies.size() == 1);
    CHECK((replies[0].out() == expected_out_));
    CHECK((replies[0].err() == expected_err_));
  }

  FakeChannel channel;
  std::unique_ptr<ReplyStream> stream;
  ReplyProgress progress = ReplyProgress::going;
  int pumps = 0;

 private:
  static std::string repeated(const std::string& line, std::size_t bytes) {
    std::string all;
    while (all.size() < bytes) all += line;
    return all.substr(0, bytes);
  }
  std::string expected_out_, expected_err_;
};

constexpr std::size_t kSpilled = kStreamMemoryBytes + 777777;

}  // namespace

TEST_CASE_FIXTURE(ReplyFixture, "reply stream: header and output from memory leave in one write") {
  prepare(300000, 200000);
  pump();
  CHECK(channel.sends == 1);
  check_whole();
}

TEST_CASE_FIXTURE(ReplyFixture, "reply stream: nothing at all is a header only") {
  prepare(0, 0);
  pump();
  CHECK(channel.sends == 1);
  check_whole();
}

TEST_CASE_FIXTURE(ReplyFixture, "reply stream: an error is a header only") {
  JobResult failed;
  failed.header.error = ErrorReply{"busy", "try again", "", "", {}};
  begin(std::move(failed), [] {});
  CHECK(stream->pump() == ReplyProgress::sent);
  REQUIRE(replies_in(channel.sent).size() == 1);
  CHECK(replies_in(channel.sent)[0].error() == "busy");
}

TEST_CASE_FIXTURE(ReplyFixture,
                  "reply stream: stdout and stderr both spilled come back in order, to the byte") {
  prepare(kSpilled, kSpilled + 1);
  pump();
  CHECK(progress == ReplyProgress::going);
  REQUIRE(run_until([&] { return progress != ReplyProgress::going; }));
  check_whole();
}

TEST_CASE_FIXTURE(ReplyFixture,
                  "reply stream: spilled stdout before stderr from memory, and the other way round") {
  for (const bool out_spilled : {true, false}) {
    CAPTURE(out_spilled);
    channel.sent.clear();
    progress = ReplyProgress::going;
    prepare(out_spilled ? kSpilled : 10, out_spilled ? 10 : kSpilled);
    pump();
    REQUIRE(run_until([&] { return progress != ReplyProgress::going; }));
    check_whole();
  }
}

TEST_CASE_FIXTURE(ReplyFixture,
                  "reply stream: a client that takes nothing is sent no more than what is in memory") {
  channel.blocked = true;
  prepare(2 * kSpilled, kSpilled);
  pump();
  const std::size_t head = channel.waiting;
  CHECK(head < kStreamMemoryBytes + 1000);
  for (int i = 0; i < 5; ++i) {
    run_turns();
    pump();  // a wake-up that has nothing to do with draining
  }
  CHECK(channel.waiting == head);
  CHECK(progress == ReplyProgress::going);
}

TEST_CASE_FIXTURE(ReplyFixture,
                  "reply stream: a client that takes a little at a time gets every byte, piece by piece") {
  channel.blocked = true;
  prepare(kSpilled, kSpilled);
  pump();
  drain(100000);
  check_whole();
  CHECK(channel.most_waiting < kStreamMemoryBytes + 1000);
}

TEST_CASE_FIXTURE(ReplyFixture,
                  "reply stream: while a piece is on its way the next one is read, and no more") {
  channel.blocked = true;
  prepare(4 * kSpilled, 0);
  pump();
  channel.flow(channel.waiting);
  pump();
  REQUIRE(run_until([&] { return channel.waiting > 0; }));
  const std::size_t two_pieces = kOutputMemoryBytes - kStreamMemoryBytes - 2 * kLargePieceBytes;
  CHECK(channel.waiting == kLargePieceBytes);
  CHECK(store.memory().left() == two_pieces);
  const int before = pumps;
  REQUIRE(run_until([&] { return pumps > before; }));  // the next one has been read
  CHECK(channel.waiting == kLargePieceBytes);
  CHECK(store.memory().left() == two_pieces);
  channel.flow(channel.waiting);
  pump();
  CHECK(channel.waiting == kLargePieceBytes);  // it needs no turn of the loop
  CHECK(store.memory().left() == two_pieces);
  drain(kLargePieceBytes);
  check_whole();
}

TEST_CASE_FIXTURE(ReplyFixture,
                  "reply stream: where much is held in all, pieces are smaller, and none is read ahead") {
  prepare(4 * kSpilled, 0);
  MemoryLease others(store.memory());
  REQUIRE(others.extend(store.memory().left() - kPlentyBytes + 1));
  channel.blocked = true;
  pump();
  const std::size_t before = store.memory().left();
  channel.flow(channel.waiting);
  pump();
  REQUIRE(run_until([&] { return channel.waiting > 0; }));
  CHECK(channel.waiting == kPieceBytes);
  CHECK(store.memory().left() == before - kPieceBytes);
  drain(kPieceBytes);
  check_whole();
}

TEST_CASE_FIXTURE(ReplyFixture, "reply stream: pieces are small where all together hold too much") {
  prepare(kSpilled, 0);
  MemoryLease others(store.memory());
  REQUIRE(others.extend(store.memory().left()));
  pump();
  REQUIRE(run_until([&] { return progress != ReplyProgress::going; }));
  check_whole();
  CHECK(channel.sends > static_cast<int>((kSpilled - kStreamMemoryBytes) / kSmallPieceBytes));
}

TEST_CASE_FIXTURE(ReplyFixture,
                  "reply stream: gives all memory back when it dies, also with a read under way") {
  prepare(kSpilled, kSpilled);
  pump();
  CHECK(store.memory().left() < kOutputMemoryBytes);
  stream.reset();
  CHECK(store.memory().left() == kOutputMemoryBytes);
  run_for(20);  // the read ends, and reaches nobody
  CHECK(progress == ReplyProgress::going);
}

TEST_CASE_FIXTURE(ReplyFixture, "reply stream: may be destroyed by the one that it wakes") {
  bool woken = false;
  start("head -c " + std::to_string(kSpilled) + " /dev/zero");
  finish();
  begin(std::move(*result), [&] {
    woken = true;
    stream.reset();
  });
  stream->pump();
  REQUIRE(run_until([&] { return woken; }));
  CHECK(stream == nullptr);
}
