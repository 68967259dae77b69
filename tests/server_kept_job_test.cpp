#include "server/kept_job.hpp"
#include "server/kept_jobs.hpp"
#include "tests/forked_child.hpp"
#include "tests/frame_session_fixture.hpp"

namespace runwire::test {
namespace {

const std::string kKeep = R"("keep_ms":60000,)";

// A second client of the same daemon.
class Other {
 public:
  explicit Other(FrameSessionFixture& daemon, const std::string& hello = kHello)
      : session_(2, channel,
                 {*daemon.jobs, *daemon.kept, daemon.store, daemon.requests, daemon.inputs,
                  daemon.max_replies, daemon.hello}) {
    session_.received(std::string(kPreface) + frame_of(hello));
    heard_ = 1;
  }

  void say(std::string_view header, std::string_view payload = "") {
    session_.received(frame_of(header, payload));
  }
  void receive(std::string_view bytes) { session_.received(bytes); }
  std::vector<SessionFrame> news() {
    auto all = session_frames_in(channel.sent);
    const auto from = all.begin() + static_cast<std::ptrdiff_t>(std::exchange(heard_, all.size()));
    return {from, all.end()};
  }
  std::string names_of_news() { return names_of(news()); }
  bool has(std::string_view name) const {
    const auto all = session_frames_in(channel.sent);
    return std::any_of(all.begin(), all.end(), [name](const auto& frame) { return frame.name() == name; });
  }
  // All bytes of output so far.
  std::string output() const {
    std::string bytes;
    for (const SessionFrame& frame : session_frames_in(channel.sent))
      if (frame.is<Output>()) bytes += frame.payload;
    return bytes;
  }
  void drain() {
    REQUIRE(channel.flow(channel.waiting));
    session_.drained();
  }

  FakeChannel channel;

 private:
  FrameSession session_;
  std::size_t heard_ = 0;
};

std::string attach(const std::string& id, std::uint64_t out = 0, std::uint64_t err = 0) {
  return to_json(Attach{id, out, err, true});
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "kept job: it goes on without its session, and another one gets every byte") {
  open();
  Puppet& child = start("a", kKeep);
  write(child, 0, "before ");
  end_session();
  write(child, 0, "alone ");
  Other other(*this);
  other.say(attach("a"));
  write(child, 0, "after");
  leave(child, 3);
  REQUIRE(run_until([&] { return other.has("exit a"); }));
  const auto frames = other.news();
  REQUIRE(names_of(frames) == "started a, output a, output a, exit a");
  CHECK(frames[0].as<Started>().existing);
  CHECK(frames[0].as<Started>().kept->stdout_end == 13);
  CHECK(frames[1].as<Output>().replay);
  CHECK(frames[1].payload == "before alone ");
  CHECK_FALSE(frames[2].as<Output>().replay);
  CHECK(frames[2].as<Output>().off == 13);
  CHECK(frames[2].payload == "after");
  CHECK(frames[3].as<Exit>().stdout_bytes == 18);
}

TEST_CASE_FIXTURE(FrameSessionFixture, "kept job: its exit comes behind the last byte of both streams") {
  open(hello_with_window(4));
  Puppet& child = start("a", kKeep);
  write(child, 0, "12345678");
  write(child, 1, "abcd");
  leave(child);
  wait_for_frames(2);
  CHECK(names_of_news() == "output a, output a");
  say(to_json(Credit{"a", StdStream::out, 4}));
  CHECK(names_of_news() == "output a, exit a");
}

TEST_CASE_FIXTURE(FrameSessionFixture, "kept job: a replay keeps to the window") {
  open();
  Puppet& child = start("a", kKeep);
  write(child, 0, letters(1000));
  Other other(*this, hello_with_window(300));
  other.say(attach("a", 100));
  CHECK(other.output().size() == 300);
  other.say(to_json(Credit{"a", StdStream::out, 50}));
  CHECK(other.output().size() == 350);
  leave(child);
  run_turns();
  CHECK_FALSE(other.has("exit a"));
  other.say(to_json(Credit{"a", StdStream::out, 1000}));
  CHECK(other.output().size() == 900);
  CHECK(other.has("exit a"));
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "kept job: a client that takes nothing has one piece waiting, whatever it follows") {
  open();
  Puppet& child = start("a", kKeep);
  for (int piece = 0; piece < 10; ++piece) write(child, 0, letters(50000));
  Other other(*this);
  other.channel.blocked = true;
  other.say(attach("a"));
  run_turns();
  CHECK(other.channel.most_waiting < kBlockBytes + 1000);
  for (int turn = 0; turn < 100 && other.output().size() < 500000; ++turn) {
    if (other.channel.waiting > 0) other.drain();
    run_turns();
  }
  CHECK(other.output().size() == 500000);
  CHECK(other.channel.most_waiting < kBlockBytes + 1000);
  leave(child);
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "kept job: a reader that acknowledges nothing stops it, and one that does sets it going") {
  open(hello_with_window(1 << 24));
  Puppet& child = start("a", kKeep);
  std::size_t written = 0;
  for (; written < (1 << 20); written += 1 << 16) write(child, 0, letters(1 << 16));
  child.write(0, letters(1000));
  run_turns();
  CHECK(bytes_waiting(child, 0) == 1000);
  say(to_json(Credit{"a", StdStream::out, 1 << 16}));
  REQUIRE(run_until([&] { return bytes_waiting(child, 0) == 0; }));
  leave(child);
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "kept job: input by its place, from two clients whose messages come in pieces") {
  open();
  Puppet& child = start("a", kKeep + R"("stdin":true,)");
  Other other(*this);
  other.say(attach("a"));
  const std::string whole = stdin_frame("a", 0, "0123456789");
  receive(whole.substr(0, whole.size() - 5));
  other.receive(stdin_frame("a", 0, "0123456"));
  other.receive(stdin_frame("a", 3, "345678"));
  receive(whole.substr(whole.size() - 5));
  receive(stdin_frame("a", 10, "", true));
  other.receive(stdin_frame("a", 4, "456789", true));
  CHECK(child.read_input() == "0123456789");
  CHECK(child.input_ended);
  leave(child);
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "kept job: input beyond its place, its credit or its end breaks the protocol") {
  open();
  Puppet& child = start("a", kKeep + R"("stdin":true,)");
  const std::string too_much = stdin_frame("a", 5, letters(kStdinWindowBytes - 4));
  receive(stdin_frame("a", 0, "01234"));
  Other beyond(*this), much(*this), early(*this), late(*this);
  for (Other* other : {&beyond, &much, &early, &late}) other->say(attach("a"));
  beyond.receive(stdin_frame("a", 6, "x"));
  CHECK(beyond.channel.finished);
  much.receive(too_much);
  CHECK(much.channel.finished);
  early.receive(stdin_frame("a", 0, "01", true));
  CHECK(early.channel.finished);
  receive(stdin_frame("a", 5, "5", true));
  late.receive(stdin_frame("a", 5, "56"));
  CHECK(late.channel.finished);
  CHECK(child.read_input() == "012345");
  leave(child);
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "kept job: who follows is told of credit, of an end of input and of its start") {
  renew({1, 10, 1 << 24, 10});
  open();
  Puppet& first = start("first");
  receive(start_frame("a", kKeep + R"("stdin":true,)"));
  Other other(*this);
  other.say(attach("a"));
  auto frames = other.news();
  REQUIRE(names_of(frames) == "started a");
  CHECK_FALSE(frames[0].as<Started>().pid.has_value());
  leave(first);
  Puppet& child = next();
  other.receive(stdin_frame("a", 0, letters(kStdinWindowBytes)));
  REQUIRE(run_until([&] { return child.read_input().size() == kStdinWindowBytes; }));
  REQUIRE(run_until([&] { return other.has("credit a"); }));
  child.close_input();
  other.receive(stdin_frame("a", kStdinWindowBytes, "x"));
  REQUIRE(run_until([&] { return other.has("stop a"); }));
  frames = other.news();
  CHECK(frames[0].as<Started>().pid.has_value());
  leave(child);
}

TEST_CASE_FIXTURE(FrameSessionFixture, "kept job: credit that is told together with the start counts once") {
  open();
  for (const std::string id : {"a", "b"}) {
    CAPTURE(id);
    channel.blocked = id == "b";
    if (channel.blocked) say(R"({"type":"list"})");  // so that something waits
    receive(start_frame(id, kKeep + R"("stdin":true,)") + stdin_frame(id, 0, letters(kCreditBytes)));
    Puppet& child = next();
    REQUIRE(run_until([&] { return child.read_input().size() == kCreditBytes; }));
    run_turns();
    if (channel.blocked) drain();
    REQUIRE(run_until([&] { return names().ends_with("started " + id + ", credit " + id); }));
    const auto all = frames();
    const auto started = all.at(all.size() - 2).as<Started>();
    CHECK(started.kept->stdin_off + started.kept->stdin_window == kStdinWindowBytes);
    CHECK(all.back().as<Credit>().bytes == kCreditBytes);
    channel.blocked = false;
    leave(child);
  }
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "kept job: who takes nothing has the credit for others' input waiting in one frame") {
  open();
  Puppet& child = start("a", kKeep + R"("stdin":true,)");
  Other deaf(*this);
  deaf.channel.blocked = true;
  deaf.say(attach("a"));
  deaf.news();
  const std::size_t waiting = deaf.channel.waiting;
  std::uint64_t place = 0, credit = 0;
  for (; place < 20 * kCreditBytes; place += kCreditBytes) {
    receive(stdin_frame("a", place, letters(kCreditBytes)));
    REQUIRE(run_until([&] { return child.read_input().size() == place + kCreditBytes; }));
    wait_for_frames(1);
    credit += news().back().as<Credit>().bytes;
  }
  CHECK(credit == place);
  CHECK(deaf.channel.waiting == waiting);
  deaf.channel.blocked = false;
  deaf.drain();
  const auto frames = deaf.news();
  REQUIRE(names_of(frames) == "credit a");
  CHECK(frames[0].as<Credit>().bytes == credit);
  leave(child);
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "kept job: a follower that holds up another one is let go, and only that one") {
  follower_timeout_ms = 40;
  renew();
  open(hello_with_window(1 << 24));
  Puppet& child = start("a", kKeep);
  Other deaf(*this, hello_with_window(100));
  deaf.say(attach("a"));
  std::size_t written = 0;
  for (; written < (1 << 20); written += 1 << 16) {
    write(child, 0, letters(1 << 16));
    say(to_json(Credit{"a", StdStream::out, 1 << 16}));
  }
  child.write(0, letters(1000));
  REQUIRE(run_until([&] { return deaf.has("detached a"); }));
  REQUIRE(run_until([&] { return bytes_waiting(child, 0) == 0; }));
  CHECK(names_of(frames()).find("detached") == std::string::npos);
  leave(child);
}

TEST_CASE_FIXTURE(FrameSessionFixture, "kept job: nobody is let go for whom nobody waits") {
  follower_timeout_ms = 20;
  renew();
  open(hello_with_window(100));
  Puppet& child = start("a", kKeep);
  Other deaf(*this, hello_with_window(100));
  deaf.say(attach("a"));
  for (std::size_t written = 0; written < (1 << 20); written += 1 << 16) write(child, 0, letters(1 << 16));
  child.write(0, letters(1000));
  run_for(100);
  CHECK(bytes_waiting(child, 0) == 1000);
  CHECK(kept->find("a")->info().clients == 2);
  for (int times = 0; times < 2; ++times) {  // for what it may have, and then for what it has got
    say(to_json(Credit{"a", StdStream::out, 1 << 21}));
    deaf.say(to_json(Credit{"a", StdStream::out, 1 << 21}));
    run_turns();
  }
  REQUIRE(run_until([&] { return bytes_waiting(child, 0) == 0; }));
  leave(child);
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "kept job: what it waited with is given back, and little of it stays") {
  open();
  const std::size_t before = inputs.left(), requests_before = requests.left();
  Puppet& child = start("a", kKeep + R"("stdin":true,)");
  CHECK(inputs.left() == before - kStdinWindowBytes);
  leave(child);
  CHECK(inputs.left() == before);
  CHECK(requests.left() == requests_before);
  CHECK(sizeof(KeptJob) < 1200);
}

TEST_CASE_FIXTURE(RealSessionFixture,
                  "kept jobs: what is owed for input at an upgrade is in the window afterwards") {
  Handover handover;
  HandedJob& handed = handover.jobs.emplace_back();
  handed.start.id = "a";
  handed.start.shell = handed.start.takes_stdin = true;
  handed.start.keep_ms = 60000;
  handed.input_off = handed.input_allowed = kStdinWindowBytes;
  handed.input_owed = kStdinWindowBytes;
  ForkedChild child(live);
  handed.running.emplace();
  handed.running->pid = child.release();
  kept->take_over(handover);
  CHECK(kept->find("a")->state().stdin_window == kStdinWindowBytes);
  kept->find("a")->cancel();
  REQUIRE(run_until([&] { return jobs->is_idle(); }));
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "kept jobs: a start that is repeated runs nothing, on any connection and at any time") {
  open();
  receive(start_frame("a", kKeep));
  Other other(*this);
  other.receive(start_frame("a", kKeep));
  Puppet& child = next();
  write(child, 0, "once");
  leave(child);
  REQUIRE(run_until([&] { return other.has("exit a"); }));
  other.receive(frame_of(
      R"({"type":"start","len":4,"keep_ms":60000,"full":"block","envc":0,"shell":true,"cwd":null,"id":"a"})",
      "true"));
  CHECK(other.output() == "onceonce");
  CHECK(nothing_started());
  other.news();
  other.receive(start_frame("a", kKeep, "false"));
  other.receive(start_frame("a", R"("keep_ms":60001,)"));
  const auto frames = other.news();
  REQUIRE(names_of(frames) == "error a, error a");
  for (const auto& frame : frames) CHECK(frame.as<SessionError>().error.error == error_name::kConflict);
  CHECK(nothing_started());
}

TEST_CASE_FIXTURE(FrameSessionFixture, "kept jobs: a session's own command of that name goes first") {
  open();
  Puppet& own = start("a");
  Other other(*this);
  other.receive(start_frame("a", kKeep));
  Puppet& kept_one = next();
  say(attach("a"));
  CHECK(last_error().error.error == error_name::kConflict);
  say(to_json(Stop{"a", StdStream::out}));
  write(kept_one, 0, "x");
  REQUIRE(run_until([&] { return other.output() == "x"; }));
  leave(own);
  news();
  say(attach("a"));
  CHECK(names_of_news() == "started a, output a");
  leave(kept_one);
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "kept jobs: an outcome expires, and then its id is known to have been used") {
  open();
  leave(start("b", kKeep));
  news();
  leave(start("a", R"("keep_ms":1,)"));
  REQUIRE(run_until([&] { return kept->size() == 1; }));
  CHECK(kept->is_gone("a"));
  CHECK(kept->find("b") != nullptr);
  news();
  receive(start_frame("a", kKeep));
  CHECK(last_error().error.error == error_name::kExpired);
  CHECK(nothing_started());
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "kept jobs: only so many ids that are gone are remembered, the last ones") {
  kept_limits.max_gone = 2;
  renew();
  open();
  for (const std::string id : {"a", "b", "c"}) {
    leave(start(id, R"("keep_ms":0,)"));
    news();
  }
  CHECK_FALSE(kept->is_gone("a"));
  CHECK(kept->is_gone("b"));
  CHECK(kept->is_gone("c"));
  CHECK(kept->size() == 0);
}

TEST_CASE_FIXTURE(FrameSessionFixture, "kept jobs: who reads one that is forgotten still gets all of it") {
  open(hello_with_window(4));
  Puppet& child = start("a", kKeep);
  write(child, 0, "12345678");
  leave(child);
  Other other(*this);
  other.say(to_json(Forget{"a"}));
  CHECK(other.names_of_news() == "forgotten a");
  news();
  say(to_json(Credit{"a", StdStream::out, 4}));
  CHECK(names_of_news() == "output a, exit a");
}

TEST_CASE_FIXTURE(FrameSessionFixture, "kept jobs: a long list comes in portions, as the client takes it") {
  kept_limits.max_kept = 1000;
  renew({1000, 1000, 1 << 20, 10});
  open();
  for (int number = 0; number < 300; ++number) receive(start_frame(std::to_string(number), kKeep));
  for (int number = 0; number < 300; ++number) next();
  Other other(*this);
  other.channel.blocked = true;
  other.say(R"({"type":"list"})");
  run_turns();
  CHECK(other.news().size() == kListedATurn);
  for (int turn = 0; turn < 10 && other.channel.waiting > 0; ++turn) {
    other.drain();
    run_turns();
  }
  const auto all = session_frames_in(other.channel.sent);
  CHECK(all.size() == 1 + 300 + 1);
  CHECK(all[1].as<JobInfo>().id == "0");
  CHECK(all[300].as<JobInfo>().id == "299");
  CHECK(all.back().as<Listed>().jobs == 300);
  for (auto& puppet : spawner->puppets) puppet->leave(0);
  REQUIRE(run_until([&] { return jobs->is_idle(); }));
}

TEST_CASE_FIXTURE(FrameSessionFixture, "kept jobs: a session that is at its end follows nothing more") {
  open();
  Puppet& child = start("a", kKeep);
  say(R"({"type":"nonsense"})");
  CHECK(channel.finished);
  run_turns();
  CHECK(kept->find("a")->info().clients == 0);
  leave(child);
}

TEST_CASE_FIXTURE(FrameSessionFixture, "kept jobs: a session that winds up waits for what it follows") {
  open();
  Puppet& child = start("a", kKeep);
  session->wind_up();
  CHECK(news().empty());
  leave(child);
  REQUIRE(run_until([&] { return channel.finished; }));
  CHECK(names_of_news() == "exit a, error");
}

TEST_CASE_FIXTURE(FrameSessionFixture, "kept jobs: a recorded command of the session ends with it") {
  open(hello_with_window(4));
  Puppet& child = start("a", R"("full":"drop",)");
  for (int piece = 0; piece < 40; ++piece) write(child, 0, letters(50000));
  news();
  say(to_json(Credit{"a", StdStream::out, 1 << 24}));
  const auto frames = news();
  REQUIRE(frames.size() > 2);
  CHECK(frames[0].as<Gap>().from == 4);
  CHECK(frames[1].as<Output>().off == frames[0].as<Gap>().to);
  say(to_json(Detach{"a"}));
  CHECK(last_error().error.error == error_name::kConflict);
  CHECK(kept->size() == 0);
  leave(child);
  REQUIRE(run_until([&] { return names().find("exit a") != std::string::npos; }));
}

TEST_CASE("fingerprint: tells starts apart by all they say but their id") {
  Start start;
  start.id = "a";
  start.shell = true;
  const Fingerprint first = fingerprint_of(start, "true");
  start.id = "b";
  CHECK(fingerprint_of(start, "true") == first);
  CHECK_FALSE(fingerprint_of(start, "trud") == first);
  start.envc = 1;
  CHECK_FALSE(fingerprint_of(start, "true") == first);
}

}  // namespace
}  // namespace runwire::test
