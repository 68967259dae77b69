#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "server/session_output.hpp"
#include "tests/fake_channel.hpp"
#include "tests/job_fixture.hpp"
#include "tests/session_frames.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

constexpr std::size_t kSpilled = kStreamMemoryBytes + 777777;

class SessionOutputFixture : public StoreFixture {
 public:
  ~SessionOutputFixture() {
    output.reset();
    CHECK(store.memory().left() == kOutputMemoryBytes);
  }

  // What a command leaves that has written so much to its two streams.
  JobResult result_of(const std::string& out, const std::string& err) {
    return {{}, log_of(out), log_of(err)};
  }
  void send_whole(const std::string& id, const std::string& out, const std::string& err = "") {
    Exit exit;
    exit.id = id;
    exit.reason = Reason::exited;
    exit.stdout_bytes = out.size();
    exit.stderr_bytes = err.size();
    exit.len = out.size() + err.size();
    output->send(to_json(exit), result_of(out, err));
  }
  void say(const std::string& id) { output->send(to_json(Started{id, 1, false})); }

  std::vector<SessionFrame> frames() const { return session_frames_in(channel.sent); }
  std::string names() const { return names_of(frames()); }
  // The peer takes all that is on its way, again and again, until there is nothing more.
  void take_all() {
    REQUIRE(run_until([&] {
      if (channel.waiting > 0 && channel.flow(channel.waiting)) output->drained();
      return output->is_idle() && channel.waiting == 0;
    }));
  }

  FakeChannel channel;
  int rooms = 0, breaks = 0;
  std::unique_ptr<SessionOutput> output = std::make_unique<SessionOutput>(
      store, channel, [this] { ++rooms; }, [this] { ++breaks; });

 private:
  std::unique_ptr<OutputLog> log_of(std::string_view bytes) {
    auto log = std::make_unique<OutputLog>(store, [] {});
    while (!bytes.empty()) {
      const OutputLog::Room room = log->room(bytes.size());
      const std::size_t size = std::min(room.size, bytes.size());
      if (size == 0) {
        run_turns(1);
        continue;
      }
      std::memcpy(room.start, bytes.data(), size);
      log->commit(size);
      bytes.remove_prefix(size);
    }
    REQUIRE(run_until([&] { return log->is_idle(); }));
    log->seal();
    return log;
  }
};

// What a disk does that loses what was written to it: every file of ours that has no name is empty.
void lose_spilled_bytes() {
  int lost = 0;
  for (const int fd : open_descriptors()) {
    struct stat found {};
    if (fstat(fd, &found) != 0 || !S_ISREG(found.st_mode) || found.st_nlink > 0 || fd <= 2) continue;
    lost += ftruncate(fd, 0) == 0 ? 1 : 0;
  }
  REQUIRE(lost > 0);
}

}  // namespace

TEST_CASE_FIXTURE(SessionOutputFixture,
                  "session output: a frame leaves at once, in one write, with its payload") {
  output->send(to_json(Ping{}));
  CHECK(channel.sends == 1);
  output->send(to_json(Output{"a", StdStream::out, 0, 5}), "hello");
  CHECK(channel.sends == 2);
  REQUIRE(frames().size() == 2);
  CHECK(frames()[0].is<Ping>());
  CHECK(frames()[1].payload == "hello");
  CHECK(output->is_idle());
  CHECK(output->has_room());
}

TEST_CASE_FIXTURE(SessionOutputFixture, "session output: there is room again when the peer has taken all") {
  channel.blocked = true;
  say("a");
  CHECK_FALSE(output->has_room());
  say("b");  // what has no payload is said all the same
  CHECK(names() == "started a, started b");
  channel.flow(1);
  output->drained();
  CHECK(rooms == 0);
  REQUIRE(channel.flow(channel.waiting));
  output->drained();
  CHECK(rooms == 1);
  CHECK(output->has_room());
}

TEST_CASE_FIXTURE(SessionOutputFixture,
                  "session output: a whole reply from memory is one frame, its streams in order") {
  send_whole("a", "out", "error");
  say("b");
  CHECK(names() == "exit a, started b");
  CHECK(frames()[0].payload == "outerror");
  CHECK(output->is_idle());
}

TEST_CASE_FIXTURE(
    SessionOutputFixture,
    "session output: a spilled whole reply holds back the other frames, and they keep their order") {
  const std::string out(kSpilled, 'o'), err(kSpilled, 'e');
  channel.blocked = true;  // or it may have left by the time that the other replies are made
  send_whole("a", out, err);
  CHECK_FALSE(output->is_idle());
  CHECK_FALSE(output->has_room());
  say("b");
  send_whole("c", "small");
  send_whole("d", out);
  say("e");
  CHECK(frames().empty());
  take_all();
  CHECK(names() == "exit a, started b, exit c, exit d, started e");
  CHECK((frames()[0].payload == out + err));
  CHECK(frames()[2].payload == "small");
  CHECK((frames()[3].payload == out));
  CHECK(output->has_room());
}

TEST_CASE_FIXTURE(SessionOutputFixture,
                  "session output: tells of room when a spilled reply has left, not before") {
  channel.blocked = true;
  send_whole("a", std::string(kStreamMemoryBytes + 3 * kLargePieceBytes, 'o'));
  for (int i = 0; i < 3; ++i) {
    REQUIRE(run_until([&] { return channel.waiting > 0; }));
    REQUIRE(channel.flow(channel.waiting));
    output->drained();
    CHECK(rooms == 0);
    CHECK_FALSE(output->has_room());
  }
  take_all();
  CHECK(rooms == 1);
  CHECK(names() == "exit a");
}

TEST_CASE_FIXTURE(SessionOutputFixture,
                  "session output: a whole reply waits for a peer that has not taken what was said before") {
  channel.blocked = true;
  say("a");
  const std::size_t before = channel.waiting;
  send_whole("b", "small");
  say("c");
  CHECK(channel.waiting == before);
  take_all();
  CHECK(names() == "started a, exit b, started c");
}

TEST_CASE_FIXTURE(
    SessionOutputFixture,
    "session output: a spilled reply that can't be read back breaks the session, and nothing follows") {
  send_whole("a", std::string(kSpilled, 'o'));
  say("b");
  lose_spilled_bytes();
  REQUIRE(run_until([&] { return breaks > 0; }));
  run_turns();
  CHECK(breaks == 1);
  CHECK(rooms == 0);
  CHECK(frames().empty());
  CHECK_FALSE(output->has_room());
}

TEST_CASE_FIXTURE(SessionOutputFixture,
                  "session output: may die with a reply under way and others behind it") {
  send_whole("a", std::string(kSpilled, 'o'));
  send_whole("b", std::string(kSpilled, 'o'));
  CHECK(store.memory().left() < kOutputMemoryBytes);
  output.reset();
  CHECK(store.memory().left() == kOutputMemoryBytes);
  run_for(20);  // the read ends, and reaches nobody
  CHECK(breaks == 0);
}
