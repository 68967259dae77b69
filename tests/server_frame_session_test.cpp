// Sessions: how they begin, what they run and refuse, and what ends them at once.
#include "tests/frame_session_fixture.hpp"

using namespace runwire;
using namespace runwire::test;

// --- the beginning ---

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: says nothing before the client's hello, and then its own") {
  const std::string opening = std::string(kPreface) + frame_of(kHello);
  for (const char byte : opening.substr(0, opening.size() - 1)) receive({&byte, 1});
  CHECK(channel.sent.empty());
  receive(opening.substr(opening.size() - 1));
  REQUIRE(frames().size() == 1);
  CHECK(frames()[0].header == to_json(hello));
  CHECK_FALSE(channel.finished);
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: a preface that is wrong in any byte is told, and ends it") {
  for (std::size_t at = 1; at < kPreface.size(); ++at) {
    for (const std::size_t step : {std::size_t{1}, std::size_t{100}}) {
      renew();
      std::string opening = std::string(kPreface) + frame_of(kHello);
      opening[at] = static_cast<char>(opening[at] + 1);
      for (std::size_t i = 0; i < opening.size(); i += step)
        receive(std::string_view(opening).substr(i, step));
      REQUIRE(names() == "error");
      CHECK(last_error().error.error == error_name::kProtocol);
      CHECK(last_error().error.message.find("00 52 57 01") != std::string::npos);
      CHECK(channel.finished);
    }
  }
}

TEST_CASE_FIXTURE(FrameSessionFixture, "frame session: the first message is hello, and none after it is") {
  receive(kPreface);
  receive(start_frame("a"));
  check_failed("protocol", "a session begins with hello");
  CHECK(nothing_started());
  renew();
  open();
  say(kHello);
  check_failed("protocol", "said already");
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: the hello has its time from the first byte on, whatever comes") {
  receive(kPreface.substr(0, 1));
  CHECK(channel.quiet_ms > kHelloMs - 1000);
  CHECK(channel.quiet_ms <= kHelloMs);
  const unsigned first = channel.quiet_ms;
  run_for(30);
  receive(kPreface.substr(1));
  CHECK(channel.quiet_ms <= first - 20);
  receive(frame_of(kHello).substr(0, 10));
  CHECK(channel.quiet_ms > 0);
  go_quiet();
  CHECK(channel.dropped == "slow-hello");
  CHECK(channel.sent.empty());
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: without pings a session that has begun may be quiet for ever") {
  open();
  CHECK(channel.quiet_ms == 0);
  say(R"({"type":"ping"})");
  CHECK(channel.quiet_ms == 0);
}

// --- commands ---

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: a command is started, tells its output as it comes, and exits") {
  open();
  Puppet& child = start("a");
  CHECK(child.command == "true");
  write(child, 0, "one");
  write(child, 1, "err");
  write(child, 0, "three");
  const auto output = news();
  REQUIRE(names_of(output) == "output a, output a, output a");
  CHECK(output[0].payload == "one");
  CHECK(output[1].payload == "err");
  CHECK(output[1].as<Output>().stream == StdStream::err);
  CHECK(output[1].as<Output>().off == 0);
  CHECK(output[2].payload == "three");
  CHECK(output[2].as<Output>().stream == StdStream::out);
  CHECK(output[2].as<Output>().off == 3);
  child.write(0, "last");
  leave(child, 7);
  const auto end = news();
  REQUIRE(names_of(end) == "output a, exit a");
  const Exit& exit = end[1].as<Exit>();
  CHECK(exit.status == ExitStatus::exited(7));
  CHECK(exit.reason == Reason::exited);
  CHECK(exit.stdout_bytes == 12);
  CHECK(exit.stderr_bytes == 3);
  CHECK(exit.len == 0);
  CHECK_FALSE(exit.survivors.has_value());
  CHECK_FALSE(channel.finished);
}

TEST_CASE_FIXTURE(FrameSessionFixture, "frame session: hello and the first commands may come in one go") {
  receive(std::string(kPreface) + frame_of(kHello) + start_frame("a", "", "first") +
          start_frame("b", "", "second"));
  CHECK(next().command == "first");
  CHECK(next().command == "second");
  REQUIRE(run_until([&] { return frames().size() == 3; }));
  CHECK(names() == "hello, started a, started b");
}

TEST_CASE_FIXTURE(FrameSessionFixture, "frame session: a start says all that the spawner is told") {
  open();
  const std::string payload("prog\0\0two words\0A=1\0B=\0", 23);
  say(R"({"type":"start","id":"a","argc":3,"envc":2,"clear_env":true,"cwd":"/","stdin":true,"len":23})",
      payload);
  const SpawnSpec asked = next().spec;
  CHECK(asked.argv == std::vector<std::string>{"prog", "", "two words"});
  CHECK(asked.environment == std::vector<std::string>{"A=1", "B="});
  CHECK(asked.clear_environment);
  CHECK(asked.cwd == "/");
  CHECK(asked.takes_stdin);
  CHECK(asked.command.empty());
  receive(start_frame("b", "", "line"));
  const SpawnSpec plain = next().spec;
  CHECK(plain.command == "line");
  CHECK(plain.argv.empty());
  CHECK(plain.environment.empty());
  CHECK_FALSE(plain.clear_environment);
  CHECK(plain.cwd == dir.path());
  CHECK_FALSE(plain.takes_stdin);
  CHECK(plain.mark.starts_with("RUNWIRE_JOB=unit-"));
  CHECK(plain.mark != asked.mark);
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: many commands run at once, each with offsets of its own") {
  open();
  Puppet &a = start("a"), &b = start("b"), &c = start("c");
  write(b, 0, "bb");
  write(a, 0, "a");
  write(b, 0, "BB");
  leave(c);
  leave(a, 1);
  leave(b, 2);
  const auto all = news();
  CHECK(names_of(all) == "output b, output a, output b, exit c, exit a, exit b");
  CHECK(all[2].as<Output>().off == 2);
  CHECK(all[5].as<Exit>().status == ExitStatus::exited(2));
  CHECK(all[5].as<Exit>().stdout_bytes == 4);
}

TEST_CASE_FIXTURE(FrameSessionFixture, "frame session: a whole reply is one frame, stdout before stderr") {
  open();
  receive(start_frame("a", R"("reply":"whole",)"));
  Puppet& child = next();
  child.write(1, "error");
  child.write(0, "out");
  leave(child, 3);
  const auto all = news();
  REQUIRE(names_of(all) == "exit a");
  CHECK(all[0].payload == "outerror");
  CHECK(all[0].as<Exit>().stdout_bytes == 3);
  CHECK(all[0].as<Exit>().stderr_bytes == 5);
  CHECK(all[0].as<Exit>().len == 8);
  CHECK(all[0].as<Exit>().status == ExitStatus::exited(3));
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: a command that can't be started is an error and has no exit") {
  spawner->starts_at_once = false;
  open();
  receive(start_frame("a", R"("cwd":"/none",)"));
  next().events->child_failed({"cwd", UV_ENOENT, "/none"});
  receive(start_frame("b"));
  Puppet& b = next();
  spawner->start(b);  // it fails after there was a process
  b.events->child_failed({"exec", UV_EACCES, "sh"});
  REQUIRE(names() == "hello, error a, error b");
  const ErrorReply error = frames()[1].as<SessionError>().error;
  CHECK(error.error == error_name::kSpawn);
  CHECK(error.stage == "cwd");
  CHECK(error.errno_name == "ENOENT");
  CHECK(last_error().error.errno_name == "EACCES");
  CHECK_FALSE(channel.finished);
}

TEST_CASE_FIXTURE(FrameSessionFixture, "frame session: commands without an id get one that no other has") {
  open();
  start("r2");
  const std::string anonymous = frame_of(R"({"type":"start","shell":true,"len":4})", "true");
  receive(anonymous + anonymous + anonymous);
  wait_for_frames(3);
  CHECK(names_of_news() == "started r1, started r3, started r4");
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: an id is one command's while it runs, and then free again") {
  open();
  Puppet& child = start("a");
  receive(start_frame("a", "", "other"));
  CHECK(names_of_news() == "error a");
  CHECK(last_error().error.error == error_name::kConflict);
  CHECK(nothing_started());
  write(child, 0, "still here");
  leave(child);
  CHECK(names_of_news() == "output a, exit a");
  Puppet& again = start("a");
  write(again, 0, "anew");
  CHECK(news()[0].as<Output>().off == 0);
  leave(again);
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: limits and a terminal that a start asks for are asked of the spawner") {
  open();
  receive(start_frame("a", R"("limits":{"nofile":9,"umask":63},"pty":{"rows":7,"cols":8,"term":"vt52"},)"));
  const SpawnSpec& spec = next().spec;
  CHECK(spec.limits.nofile == 9);
  CHECK(spec.limits.umask == 077);
  REQUIRE(spec.terminal.has_value());
  CHECK(spec.terminal->rows == 7);
  CHECK(spec.terminal->cols == 8);
  CHECK(spec.environment == std::vector<std::string>{"TERM=vt52"});
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: a refused start without an id gets one, so that it is no end") {
  max_replies = 0;
  renew();
  open();
  say(R"({"type":"start","shell":true,"reply":"whole","len":4})", "true");
  CHECK(names_of_news() == "error r1");
  CHECK_FALSE(channel.finished);
  start("a");
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: what was sent ahead for a command that was refused is ignored") {
  max_replies = 0;
  renew();
  open();
  receive(start_frame("a", R"("reply":"whole","stdin":true,)") + stdin_frame("a", 0, "input", true) +
          frame_of(to_json(Signal{"a", SIGTERM})) + frame_of(to_json(Stop{"a", StdStream::out})));
  CHECK(names_of_news() == "error a");
  CHECK_FALSE(channel.finished);
  start("b");
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: verbs of a later version are refused, and the session goes on") {
  open();
  say(R"({"type":"stats","id":"x","len":3})", "abc");
  CHECK(names_of_news() == "error x");
  CHECK(last_error().error.error == error_name::kUnsupported);
  CHECK(last_error().error.message.find("stats") != std::string::npos);
  CHECK_FALSE(channel.finished);
  start("a");
}

TEST_CASE_FIXTURE(FrameSessionFixture, "frame session: what may be passed over is, with its payload") {
  open();
  say(R"({"type":"news","optional":true,"len":20})", start_frame("x").substr(0, 20));
  CHECK(news().empty());
  start("a");
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: more commands than may wait are `busy`, each by its id") {
  renew({1, 1, 1 << 20, 10});
  open();
  receive(start_frame("a") + start_frame("b") + start_frame("c"));
  CHECK(names_of_news() == "error c");
  CHECK(last_error().error.error == error_name::kBusy);
  CHECK(last_error().error.retry_ms.has_value());
  leave(next());
  next();
  wait_for_frames(3);
  CHECK(names_of_news() == "started a, exit a, started b");
}

// --- memory ---

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: a start that there is no memory for is `busy`, and not kept") {
  MemoryLease others(requests);
  REQUIRE(others.extend(kRequestMemoryBytes - 10));
  open();
  const std::string frame = start_frame("a", "", letters(11));
  receive(frame.substr(0, frame.size() - 1));
  CHECK(news().empty());
  CHECK(requests.left() == 0);
  receive(frame.substr(frame.size() - 1));
  CHECK(names_of_news() == "error a");
  CHECK(last_error().error.error == error_name::kBusy);
  CHECK(last_error().error.retry_ms.has_value());
  CHECK(nothing_started());
  receive(start_frame("b", "", letters(10)));
  CHECK(next().command == letters(10));
}

TEST_CASE_FIXTURE(
    FrameSessionFixture,
    "frame session: holds memory for a start until its command is started, or the session dies") {
  open();
  const std::string frame = start_frame("a", "", letters(1000));
  receive(frame.substr(0, frame.size() - 1000));
  CHECK(requests.left() == kRequestMemoryBytes);
  receive(letters(1000));
  CHECK(requests.left() == kRequestMemoryBytes - 1000);
  next();
  CHECK(requests.left() == kRequestMemoryBytes);
  receive(start_frame("b", "", letters(kMaxCommandBytes)));
  CHECK((next().command == letters(kMaxCommandBytes)));
  receive(frame.substr(0, frame.size() - 1));
  CHECK(requests.left() == kRequestMemoryBytes - 999);
  end_session();
  CHECK(requests.left() == kRequestMemoryBytes);
}

// --- ids ---

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: what is said of a command that has ended lately is ignored") {
  open(hello_with_window(100));
  leave(start("a", R"("stdin":true,)"));
  news();
  receive(stdin_frame("a", 12345, "late", true));
  say(to_json(Signal{"a", SIGTERM}));
  say(to_json(Stop{"a", StdStream::out}));
  say(to_json(Credit{"a", StdStream::err, kMaxPayloadBytes}));
  CHECK(news().empty());
  CHECK_FALSE(channel.finished);
  start("b");
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: an id that no command had is unknown, and ends the session") {
  for (const std::string& frame :
       {stdin_frame("x", 0, "bytes"), frame_of(to_json(Signal{"x", SIGTERM})),
        frame_of(to_json(Stop{"x", StdStream::out})), frame_of(to_json(Credit{"x", StdStream::out, 1}))}) {
    renew();
    open();
    receive(frame);
    check_failed("unknown", "the id x");
  }
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: a command may end in the middle of its input, and the rest is ignored") {
  open();
  Puppet& child = start("a", R"("stdin":true,)");
  const std::string frame = stdin_frame("a", 0, letters(1000), true);
  receive(frame.substr(0, frame.size() - 500));
  leave(child);
  receive(frame.substr(frame.size() - 500) + start_frame("a"));
  next();
  wait_for_frames(2);
  CHECK(names_of_news() == "exit a, started a");
}

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: one whose connection breaks while it answers starts nothing more") {
  open();
  channel.on_send = [&] { session->closed(); };
  receive(frame_of(to_json(Ping{})));
  channel.on_send = nullptr;
  receive(start_frame("a") + "\xff\xff\xff\xff");
  CHECK(names_of_news() == "pong");
  CHECK(nothing_started());
  CHECK_FALSE(channel.finished);
}

// --- what is malformed ---

TEST_CASE_FIXTURE(FrameSessionFixture,
                  "frame session: whatever is malformed is told by one error, the last frame") {
  const std::string nul(1, '\0');
  const std::pair<std::string, std::string> kMalformed[] = {
      {std::string(4, '\0'), "header"},
      {"\x01" + std::string(3, '\0') + "{", "header"},
      {"\xff\xff\xff\xff{}", "header"},
      {frame_of("[]"), "not a JSON object"},
      {frame_of("{\xff}"), "not JSON"},
      {frame_of("{}"), "\"type\" is missing"},
      {frame_of(R"({"type":"nonsense"})"), "unknown type"},
      {frame_of(R"({"type":"exit","id":"a","code":0,"stdout":0,"stderr":0})"), "unknown type"},
      {frame_of(R"({"type":"ping","type":"ping"})"), "twice"},
      {frame_of(R"({"type":"signal","id":"a","signal":"NONE"})"), "names no signal"},
      {frame_of(R"({"type":"stop","id":"a","stream":"stdin"})"), "cannot be"},
      {frame_of(R"({"type":"start","id":"b","len":2})", "ls"), "argc"},
      {frame_of(R"({"type":"start","id":"b","shell":true,"len":1048577})"), "at most"},
      {start_frame("b", "", "a" + nul + "b"), "NUL"},
      {frame_of(R"({"type":"start","id":"b","argc":2,"len":3})", "ls" + nul), "fewer words"},
      {frame_of(R"({"type":"start","id":"b","argc":1,"len":5})", "ls" + nul + "x" + nul), "more words"},
      {frame_of(R"({"type":"start","id":"b","argc":1,"len":1})", nul), "is empty"},
      {frame_of(R"({"type":"start","id":"b","argc":1,"envc":1,"len":4})", "a" + nul + "b" + nul),
       "NAME=VALUE"},
      {frame_of(kHello), "said already"}};
  for (const auto& [bytes, words] : kMalformed) {
    const std::string expected = words;
    CAPTURE(expected);
    renew();
    open();
    Puppet& child = start("a");
    receive(frame_of(R"({"type":"ping"})") + bytes + start_frame("late"));
    REQUIRE(names_of_news() == "pong, error");
    CHECK(last_error().id.empty());
    CHECK(last_error().error.error == error_name::kProtocol);
    CHECK_MESSAGE(last_error().error.message.find(expected) != std::string::npos, last_error().error.message);
    CHECK(channel.finished);
    child.write(0, "nobody hears it");
    run_turns();
    child.leave(0);
    session->wind_up();
    CHECK(nothing_started());
    CHECK(news().empty());
  }
}

// --- however the bytes are cut ---

namespace {

// What a client says, all in one go, before anything that it asks for has begun.
std::string conversation() {
  return std::string(kPreface) + frame_of(hello_with_window(1000)) +
         start_frame("a", R"("stdin":true,)", "cat") + stdin_frame("a", 0, "input ") +
         frame_of(R"({"type":"news","optional":true,"len":5})", std::string_view("\0\0\0\0{", 5)) +
         start_frame("b", R"("reply":"whole",)") + frame_of(R"({"type":"ping"})") + start_frame("a") +
         frame_of(R"({"type":"stats","id":"x","len":2})", "{}") + stdin_frame("a", 6, "and its end", true) +
         start_frame("c", R"("reply":"whole",)") + frame_of(to_json(Credit{"a", StdStream::out, 5}));
}

class CutSession : public FrameSessionFixture {
 public:
  CutSession() {
    max_replies = 1;
    renew();
  }
  // The same answers, whatever the pieces were.
  std::string answer() {
    Puppet &a = next(), &b = next();
    REQUIRE(run_until([&] { return a.read_input(), a.input_ended; }));
    write(a, 0, a.input);
    b.write(1, b.command);
    leave(b);
    leave(a);
    receive(frame_of(R"({"type":"start","id":"a"})"));
    CHECK(channel.finished);
    return channel.sent;
  }
};

}  // namespace

TEST_CASE_FIXTURE(CutSession,
                  "frame session: answers are the same wherever a conversation is cut, and in single bytes") {
  const std::string whole = conversation();
  receive(whole);
  const std::string expected = answer();
  CHECK(names() == "hello, pong, error a, error x, error c, started a, output a, exit b, exit a, error");
  CHECK(frames()[6].payload == "input and its end");
  for (std::size_t cut = 1; cut < whole.size(); ++cut) {
    renew();
    receive(std::string_view(whole).substr(0, cut));
    receive(std::string_view(whole).substr(cut));
    REQUIRE_MESSAGE(answer() == expected, cut);
  }
  renew();
  for (const char& byte : whole) receive({&byte, 1});
  CHECK(answer() == expected);
}
