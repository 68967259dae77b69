// Sessions: input and output of commands, as fast as the other side takes it.
#include "tests/frame_session_fixture.hpp"

using namespace runwire;
using namespace runwire::test;

// --- input ---

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: input reaches its command in order, and its end behind it") {
  open();
  Puppet &a = start("a", R"("stdin":true,)"), &b = start("b", R"("stdin":true,)");
  receive(stdin_frame("a", 0, "one ") + stdin_frame("b", 0, "other") + stdin_frame("a", 4, "two"));
  REQUIRE(run_until([&] { return a.read_input().size() == 7 && b.read_input().size() == 5; }));
  CHECK(a.input == "one two");
  CHECK(b.input == "other");
  CHECK_FALSE(a.input_ended);
  receive(stdin_frame("a", 7, " three", true));
  REQUIRE(run_until([&] { return a.read_input(), a.input_ended; }));
  CHECK(a.input == "one two three");
  receive(stdin_frame("b", 5, "", true));
  REQUIRE(run_until([&] { return b.read_input(), b.input_ended; }));
  CHECK(b.input == "other");
  CHECK(news().empty());
}

TEST_CASE_FIXTURE(FrameSessionFixture, "frame session: input may be sent before its command has started") {
  open();
  receive(start_frame("a", R"("stdin":true,)") + stdin_frame("a", 0, "early", true));
  Puppet& child = next();
  REQUIRE(run_until([&] { return child.read_input(), child.input_ended; }));
  CHECK(child.input == "early");
}

TEST_CASE_FIXTURE(FrameSessionFixture, "frame session: input that is not the next breaks the protocol") {
  const std::pair<std::string, std::string> kWrong[] = {
      {stdin_frame("a", 6, "gap"), "\"off\" is 6 where 5 comes next"},
      {stdin_frame("a", 4, "overlap"), "\"off\" is 4 where 5 comes next"},
      {stdin_frame("a", 0, "again"), "\"off\" is 0 where 5 comes next"},
      {stdin_frame("a", 5, "", true) + stdin_frame("a", 5, "more"), "ended already"},
      {stdin_frame("a", 5, "", true) + stdin_frame("a", 5, "", true), "ended already"}};
  for (const auto& [frames, words] : kWrong) {
    renew();
    open();
    start("a", R"("stdin":true,)");
    receive(stdin_frame("a", 0, "right") + frames);
    check_failed("protocol", words);
  }
}

TEST_CASE_FIXTURE(FrameSessionFixture, "frame session: a command that was started without input takes none") {
  open();
  start("a");
  receive(stdin_frame("a", 0, "x"));
  check_failed("protocol", "without \"stdin\":true");
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: so much input may be sent ahead of credit, and not a byte more") {
  for (const std::size_t more : {std::size_t{0}, std::size_t{1}}) {
    renew();
    open();
    start("a", R"("stdin":true,)");
    receive(stdin_frame("a", 0, letters(kStdinWindowBytes - 10)));
    CHECK(news().empty());
    receive(stdin_frame("a", kStdinWindowBytes - 10, letters(10 + more)));
    if (more == 0)
      CHECK(news().empty());
    else
      check_failed("protocol", "more bytes than credit was given for");
  }
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: credit is given for input as the command reads it, for no more") {
  open();
  Puppet& child = start("a", R"("stdin":true,)");
  std::uint64_t sent = 0, allowed = kStdinWindowBytes;
  while (sent < 5 * kStdinWindowBytes) {
    const std::size_t size = std::min<std::uint64_t>(allowed - sent, 50000);
    if (size > 0) receive(stdin_frame("a", sent, letters(size)));
    sent += size;
    child.read_input();
    run_turns(1);
    for (const SessionFrame& frame : news()) {
      CHECK(frame.as<Credit>().stream == StdStream::in);
      CHECK(frame.as<Credit>().id == "a");
      allowed += frame.as<Credit>().bytes;
    }
    const std::size_t in_pipe = 65536;
    REQUIRE(allowed <= child.input.size() + in_pipe + kStdinWindowBytes);
  }
  CHECK(run_until([&] { return child.read_input().size() == sent; }));
}

TEST_CASE_FIXTURE(FrameSessionFixture, "frame session: there is no credit behind the end of input") {
  open();
  Puppet& child = start("a", R"("stdin":true,)");
  receive(stdin_frame("a", 0, letters(kStdinWindowBytes), true));
  REQUIRE(run_until([&] { return child.read_input(), child.input_ended; }));
  CHECK(child.input.size() == kStdinWindowBytes);
  CHECK(news().empty());
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: a command that reads no more is told of once; late input is dropped") {
  open();
  Puppet& child = start("a", R"("stdin":true,)");
  child.close_input();
  receive(stdin_frame("a", 0, "lost"));
  const auto told = news();
  REQUIRE(names_of(told) == "stop a");
  CHECK(told[0].as<Stop>().stream == StdStream::in);
  receive(stdin_frame("a", 4, "also lost") + stdin_frame("a", 13, "", true));
  CHECK(news().empty());
  leave(child);
  CHECK(names_of_news() == "exit a");
}

// --- output ---

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: with a window no more output is sent than credit allows") {
  open(hello_with_window(10));
  Puppet& child = start("a");
  child.write(0, letters(25));
  child.write(1, letters(3));
  run_turns();
  auto now = news();
  CHECK(names_of(now) == "output a, output a");
  std::size_t bytes = 0;
  for (const auto& frame : now) bytes += frame.payload.size();
  CHECK(bytes == 13);
  say(to_json(Credit{"a", StdStream::err, 100}));
  run_turns();
  CHECK(news().empty());
  say(to_json(Credit{"a", StdStream::out, 4}));
  run_turns();
  now = news();
  REQUIRE(names_of(now) == "output a");
  CHECK(now[0].payload.size() == 4);
  CHECK(now[0].as<Output>().off == 10);
  say(to_json(Credit{"a", StdStream::out, 1000}));
  leave(child);
  now = news();
  CHECK(names_of(now) == "output a, exit a");
  CHECK(now[1].as<Exit>().stdout_bytes == 25);
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: a window of nothing holds all output until there is credit") {
  open(hello_with_window(0));
  Puppet& child = start("a");
  child.write(0, "waits");
  child.leave(0);
  run_for(2 * kLingerQuietMs);
  CHECK(news().empty());
  say(to_json(Credit{"a", StdStream::out, 5}));
  wait_for_frames(2);
  CHECK(names_of_news() == "output a, exit a");
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: one command that waits for credit does not stop another") {
  open(hello_with_window(5));
  Puppet &a = start("a"), &b = start("b");
  a.write(0, letters(10));
  run_turns();
  news();
  write(b, 0, "12345");
  CHECK(names_of_news() == "output b");
  leave(b);
  CHECK(names_of_news() == "exit b");
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: credit without a window, or beyond what is a size, breaks the protocol") {
  open();
  start("a");
  say(to_json(Credit{"a", StdStream::out, 1}));
  check_failed("protocol", "named no \"window\"");
  renew();
  open(hello_with_window(1));
  start("a");
  say(to_json(Credit{"a", StdStream::out, kMaxPayloadBytes - 1}));
  CHECK(news().empty());
  say(to_json(Credit{"a", StdStream::out, 1}));
  check_failed("protocol", "2^53");
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: who takes nothing stops the commands' output, and loses none of it") {
  open();
  Puppet &a = start("a"), &b = start("b");
  channel.blocked = true;
  write(a, 0, letters(1000));
  a.write(0, letters(2000));
  b.write(1, letters(3000));
  run_turns();
  const std::size_t held = channel.waiting;
  CHECK(held < 1100);
  run_for(20);
  CHECK(channel.waiting == held);
  channel.blocked = false;
  drain();
  leave(a);
  leave(b);
  std::size_t bytes = 0;
  for (const auto& frame : news()) bytes += frame.payload.size();
  CHECK(bytes == 6000);
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: outputs that waited for the connection have their turns in order") {
  open();
  std::vector<Puppet*> children = {&start("a"), &start("b"), &start("c")};
  channel.blocked = true;
  write(*children[0], 0, "x");
  for (Puppet* child : children) {
    child->write(0, "x");
    run_turns();  // it is stopped: its output waits behind that of the one before
  }
  std::string order;
  for (int turn = 0; turn < 9; ++turn) {
    news();
    drain();
    wait_for_frames(1);
    run_turns();
    const auto now = news();
    REQUIRE(now.size() == 1);
    const std::string& id = now[0].as<Output>().id;
    order += id;
    children[static_cast<std::size_t>(id[0] - 'a')]->write(0, "x");
    run_turns();
  }
  CHECK(order == "abcabcabc");
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: output that is not wanted any more is stopped at its writer") {
  open();
  Puppet& child = start("a");
  write(child, 0, "wanted");
  say(to_json(Stop{"a", StdStream::out}));
  run_turns();
  CHECK(::write(child.ends[0], "x", 1) == -1);
  CHECK(errno == EPIPE);
  write(child, 1, "err");
  leave(child);
  const auto all = news();
  CHECK(names_of(all) == "output a, output a, exit a");
  CHECK(all[2].as<Exit>().stdout_bytes == 6);
  CHECK(all[2].as<Exit>().stderr_bytes == 3);
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: a stop that comes before the command has started counts") {
  open();
  receive(start_frame("a") + frame_of(to_json(Stop{"a", StdStream::err})));
  Puppet& child = next();
  run_turns();
  CHECK(::write(child.ends[1], "x", 1) == -1);
  CHECK(errno == EPIPE);
  write(child, 0, "out");
  leave(child);
  CHECK(names_of_news() == "started a, output a, exit a");
}

TEST_CASE_FIXTURE(RealSessionFixture, "frame session: a signal reaches the command") {
  open();
  Lifeline child(dir);
  receive(start_frame("a", "", child.hold() + "exec sleep 1000"));
  REQUIRE(run_until([&] { return child.has_come(); }));
  say(to_json(Signal{"a", SIGUSR1}));
  wait_for_frames(2);
  const auto all = news();
  CHECK(names_of(all) == "started a, exit a");
  CHECK(all[0].as<Started>().pid > 0);
  CHECK(all[1].as<Exit>().status == ExitStatus::killed(SIGUSR1));
  CHECK(all[1].as<Exit>().reason == Reason::signal);
}

TEST_CASE_FIXTURE(RealSessionFixture,
                  "frame session: a timeout ends a command and is the reason that is told") {
  open();
  receive(start_frame("a", R"("timeout_ms":50,)", "exec sleep 1000"));
  wait_for_frames(2);
  const auto all = news();
  CHECK(names_of(all) == "started a, exit a");
  CHECK(all[1].as<Exit>().reason == Reason::timeout);
  CHECK(all[1].as<Exit>().survivors == 0);
}
