// Sessions: signs of life, and the end that the daemon brings.
#include "tests/frame_session_fixture.hpp"

using namespace runwire;
using namespace runwire::test;

// --- life ---

namespace {

class PingingSession : public FrameSessionFixture {
 public:
  PingingSession() { hello.ping_ms = 15000; }
  // So often nothing is heard for the time of a ping.
  void stay_quiet(int times) {
    for (; times > 0; --times) {
      CHECK(channel.quiet_ms == 15000);
      go_quiet();
    }
  }
};

// More than memory keeps of one stream.
constexpr std::size_t kSpilled = kStreamMemoryBytes + 5 * kLargePieceBytes + 7777;

// A session that has a whole reply under way which is larger than memory.
class LongReplySession : public PingingSession {
 public:
  void begin_reply(const std::string& client_hello = kHello) {
    open(client_hello);
    receive(start_frame("big", R"("reply":"whole",)"));
    Puppet& child = next();
    for (std::size_t left = kSpilled; left > 0; left -= std::min<std::size_t>(left, 60000))
      write(child, 0, letters(std::min<std::size_t>(left, 60000)));
    channel.blocked = true;
    leave(child);
    CHECK(news().empty());
  }
  // The client takes all there is, until nothing more comes.
  void take_all() {
    REQUIRE(run_until([&] {
      if (channel.waiting > 0) drain();
      return channel.waiting == 0 && channel.finished;
    }));
  }
};

}  // namespace

TEST_CASE_FIXTURE(FrameSessionFixture, "frame session: a ping is answered, a pong is not") {
  open();
  say(R"({"type":"ping"})");
  CHECK(names_of_news() == "pong");
  say(R"({"type":"pong"})");
  CHECK(news().empty());
}

TEST_CASE_FIXTURE(PingingSession, "frame session: who is quiet is asked, three times, and is gone then") {
  open();
  stay_quiet(3);
  CHECK(names_of_news() == "ping, ping, ping");
  CHECK(channel.dropped.empty());
  stay_quiet(1);
  CHECK(channel.dropped == "silent");
  CHECK(news().empty());
  CHECK(channel.quiet_ms == 0);
}

TEST_CASE_FIXTURE(PingingSession, "frame session: any sign of life begins the time anew") {
  open();
  stay_quiet(3);
  receive(frame_of(R"({"type":"pong"})").substr(0, 1));
  stay_quiet(3);
  CHECK(channel.dropped.empty());
  stay_quiet(1);
  CHECK(channel.dropped == "silent");
}

TEST_CASE_FIXTURE(PingingSession, "frame session: without a window who has not taken all is slow, not gone") {
  open();
  channel.blocked = true;
  say(R"({"type":"ping"})");
  const std::size_t held = channel.waiting;
  stay_quiet(10);
  CHECK(channel.dropped.empty());
  CHECK(channel.waiting == held);
  drain();
  stay_quiet(1);
  news();
  stay_quiet(9);
  CHECK(channel.dropped.empty());
}

TEST_CASE_FIXTURE(PingingSession, "frame session: with a window who does not read is gone like any other") {
  open(hello_with_window(1000));
  channel.blocked = true;
  stay_quiet(4);
  CHECK(channel.dropped == "silent");
}

TEST_CASE_FIXTURE(LongReplySession,
                  "frame session: who takes a long reply is not gone, though no question reaches him") {
  begin_reply(hello_with_window(1000));
  for (int pieces = 0; pieces < 5; ++pieces) {
    REQUIRE(run_until([&] { return channel.waiting > 0; }));
    drain();
    stay_quiet(1);
  }
  CHECK(channel.dropped.empty());
  REQUIRE(run_until([&] { return channel.waiting > 0; }));
}

TEST_CASE_FIXTURE(
    LongReplySession,
    "frame session: who takes a long reply slower than a piece between two questions is not gone") {
  begin_reply(hello_with_window(1000));
  drain();
  REQUIRE(run_until([&] { return channel.waiting > 0; }));
  for (int bits = 0; bits < 10; ++bits) {
    channel.flow(1000);
    stay_quiet(1);
  }
  CHECK(channel.dropped.empty());
  REQUIRE(channel.waiting > 0);
  stay_quiet(4);
  CHECK(channel.dropped == "silent");
}

TEST_CASE_FIXTURE(LongReplySession, "frame session: with a window who takes none of a long reply is gone") {
  begin_reply(hello_with_window(1000));
  stay_quiet(4);
  CHECK(channel.dropped == "silent");
}

TEST_CASE_FIXTURE(FrameSessionFixture, "frame session: winding up ends an idle session, and tells why") {
  open();
  session->wind_up();
  check_failed("shutdown");
}

TEST_CASE_FIXTURE(FrameSessionFixture, "frame session: winding up waits for a hello, and answers it") {
  receive(kPreface);
  session->wind_up();
  CHECK(channel.sent.empty());
  CHECK_FALSE(channel.finished);
  say(kHello);
  CHECK(names() == "hello, error");
  CHECK(last_error().error.error == error_name::kShutdown);
  CHECK(channel.finished);
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: winding up lets commands go on to their end, and starts no other") {
  open();
  Puppet& child = start("a", R"("stdin":true,)");
  session->wind_up();
  CHECK(news().empty());
  receive(start_frame("b"));
  CHECK(names_of_news() == "error b");
  CHECK(last_error().error.error == error_name::kShutdown);
  CHECK(nothing_started());
  receive(stdin_frame("a", 0, "input", true));
  CHECK(child.read_input() == "input");
  write(child, 0, "out");
  CHECK_FALSE(channel.finished);
  leave(child);
  CHECK(names_of_news() == "output a, exit a, error");
  CHECK(last_error().id.empty());
  CHECK(last_error().error.error == error_name::kShutdown);
  CHECK(channel.finished);
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: commands that had no turn before the end are told so by their ids") {
  renew({1, 5, 1 << 20, 10});
  open();
  Puppet& child = start("a");
  receive(start_frame("b") + start_frame("c", R"("reply":"whole",)"));
  jobs->drop_queued(refusal_of(WindUp::shutdown));
  CHECK(names_of_news() == "error b, error c");
  CHECK(last_error().error.error == error_name::kShutdown);
  session->wind_up();
  leave(child);
  CHECK(names_of_news() == "exit a, error");
  CHECK(channel.finished);
}

TEST_CASE_FIXTURE(LongReplySession, "frame session: winding up lets a whole reply leave first") {
  begin_reply();
  session->wind_up();
  CHECK_FALSE(channel.finished);
  take_all();
  const auto all = news();
  REQUIRE(names_of(all) == "exit big, error");
  CHECK(all[0].payload.size() == kSpilled);
  CHECK(last_error().error.error == error_name::kShutdown);
}

TEST_CASE_FIXTURE(LongReplySession,
                  "frame session: what breaks the protocol is told behind a reply that is under way") {
  begin_reply();
  say(R"({"type":"nonsense"})");
  CHECK_FALSE(channel.finished);
  take_all();
  const auto all = news();
  REQUIRE(names_of(all) == "exit big, error");
  CHECK(all[0].payload.size() == kSpilled);
  CHECK(last_error().error.error == error_name::kProtocol);
}

// --- who says much and hears little ---

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: many small questions in one read are answered in one write") {
  open();
  const int before = channel.sends;
  std::string questions;
  for (int i = 0; i < 100; ++i) questions += frame_of(to_json(Ping{}));
  receive(questions);
  CHECK(news().size() == 100);
  CHECK(channel.sends == before + 1);
}

TEST_CASE_FIXTURE(FrameSessionFixture, "frame session: after many small frames others have their turn") {
  open();
  session->next_turn();
  for (std::size_t i = 0; i < kFramesATurn; ++i) {
    CHECK_FALSE(session->has_had_its_turn());
    receive(frame_of(to_json(Pong{})));
  }
  CHECK(session->has_had_its_turn());
  session->next_turn();
  CHECK_FALSE(session->has_had_its_turn());
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: who takes no answers is not to be heard before he does") {
  open();
  channel.blocked = true;
  while (channel.waiting < kUnsentBytes) {
    CHECK_FALSE(session->owes_too_much());
    for (int i = 0; i < 1000; ++i) receive(frame_of(to_json(Ping{})));
  }
  CHECK(session->owes_too_much());
  drain();
  CHECK_FALSE(session->owes_too_much());
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: as many whole replies may be to come, and streams besides") {
  max_replies = 2;
  renew({4, 10, 1 << 20, 10});
  open();
  const std::string whole = R"("reply":"whole",)";
  receive(start_frame("a", whole) + start_frame("b", whole) + start_frame("c", whole) + start_frame("d"));
  CHECK(names_of_news() == "error c");
  CHECK(last_error().error.error == error_name::kBusy);
  leave(next());
  wait_for_frames(2);
  receive(start_frame("e", whole));
  const std::string told = names_of_news();  // of two commands, in the order of what comes first
  CHECK((told == "exit a, started d" || told == "started d, exit a"));
}
