// What to_json() writes for the messages of a session, that the parsers read it back, and what stands in a start's
// payload. More of what they refuse is in proto/vectors.
#include <doctest/doctest.h>

#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "proto/session_message.hpp"

using namespace runwire;

namespace {

template <class Message> Message reread_by_server(const Message& message) {
  const auto parsed = parse_client_message(to_json(message));
  REQUIRE_MESSAGE(parsed.ok(), parsed.error().message);
  REQUIRE(std::holds_alternative<Message>(*parsed));
  return std::get<Message>(*parsed);
}

template <class Message> Message reread_by_client(const Message& message) {
  const auto parsed = parse_server_message(to_json(message));
  REQUIRE_MESSAGE(parsed.ok(), parsed.error().message);
  REQUIRE(std::holds_alternative<Message>(*parsed));
  return std::get<Message>(*parsed);
}

template <class Result> std::string error_of(const Result& result) {
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == Errc::protocol);
  return result.error().message;
}

std::string client_error(std::string_view json) { return error_of(parse_client_message(json)); }
std::string server_error(std::string_view json) { return error_of(parse_server_message(json)); }

// Of a start that is legal otherwise.
std::string start_error(const std::string& fields) {
  return client_error(R"({"type":"start","shell":true,)" + fields + "}");
}

Start parse_start(const std::string& fields) {
  const auto parsed = parse_client_message(R"({"type":"start","shell":true,)" + fields + "}");
  REQUIRE_MESSAGE(parsed.ok(), parsed.error().message);
  return std::get<Start>(*parsed);
}

std::string bytes(std::string_view text) { return std::string(text); }

}  // namespace

// --- what is written ---

TEST_CASE("session message: the client's, as they stand on the wire; what has a default is left out") {
  CHECK(to_json(ClientHello{}) == R"({"type":"hello","v":1})");
  CHECK(to_json(ClientHello{0}) == R"({"type":"hello","v":1,"window":0})");
  Start start;
  start.shell = true;
  start.len = 5;
  CHECK(to_json(start) == R"({"type":"start","shell":true,"len":5})");
  start = Start{};
  start.id = "a";
  start.argc = 2;
  CHECK(to_json(start) == R"({"type":"start","id":"a","argc":2,"len":0})");
  CHECK(to_json(StdinBytes{"a", 3, false, 7}) == R"({"type":"stdin","id":"a","off":3,"len":7})");
  CHECK(to_json(StdinBytes{"a", 10, true, 0}) == R"({"type":"stdin","id":"a","off":10,"eof":true})");
  CHECK(to_json(Signal{"a", 15}) == R"({"type":"signal","id":"a","signal":"TERM"})");
  CHECK(to_json(Stop{"a", StdStream::out}) == R"({"type":"stop","id":"a","stream":"stdout"})");
  CHECK(to_json(Credit{"a", StdStream::err, 9}) ==
        R"({"type":"credit","id":"a","stream":"stderr","bytes":9})");
  CHECK(to_json(Ping{}) == R"({"type":"ping"})");
  CHECK(to_json(Pong{}) == R"({"type":"pong"})");
}

TEST_CASE("session message: the server's, as they stand on the wire") {
  CHECK(to_json(ServerHello{"00ff", "runwired 1", {}, 15000}) ==
        R"({"type":"hello","v":1,"boot":"00ff","server":"runwired 1","limits":{"header":65535,)"
        R"("payload":1048576,"depth":8,"stdin_window":262144,"keep_ms":9007199254740992},"ping_ms":15000})");
  CHECK(to_json(Started{"a", 42, false}) == R"({"type":"started","id":"a","pid":42,"existing":false})");
  CHECK(to_json(Output{"a", StdStream::err, 5, 6}) ==
        R"({"type":"output","id":"a","stream":"stderr","off":5,"len":6})");
  CHECK(to_json(Stop{"a", StdStream::in}) == R"({"type":"stop","id":"a","stream":"stdin"})");
  CHECK(to_json(SessionError{"", {"protocol", "no", "", "", {}}}) ==
        R"({"type":"error","error":"protocol","message":"no"})");
  Exit exit;
  exit.id = "a";
  exit.status = ExitStatus::exited(3);
  exit.reason = Reason::exited;
  CHECK(
      to_json(exit) ==
      R"({"type":"exit","id":"a","code":3,"signal":null,"core":null,"reason":"exited","stdout":0,"stderr":0,)"
      R"("truncated":false,"cut":false,"survivors":null,)"
      R"("usage":{"wall_ms":null,"user_ms":null,"sys_ms":null,"max_rss_kb":null}})");
}

// --- round trips ---

TEST_CASE("session message: a client's hello comes back as it was") {
  CHECK_FALSE(reread_by_server(ClientHello{}).window.has_value());
  for (const std::uint64_t window : {std::uint64_t{0}, std::uint64_t{65536}, kMaxPayloadBytes})
    CHECK(reread_by_server(ClientHello{window}).window == window);
}

TEST_CASE("session message: a start comes back as it was, with all that it may say and with nothing") {
  Start start;
  start.id = "a \"name\"";
  start.argc = 3;
  start.envc = 2;
  start.clear_env = true;
  start.cwd = "/a/b c";
  start.takes_stdin = true;
  start.reply = ReplyForm::whole;
  start.linger = Linger::now;
  start.timeout_ms = 1;
  start.idle_ms = kMaxPayloadBytes;
  start.len = kMaxSessionPayloadBytes;
  const Start back = reread_by_server(start);
  CHECK(back.id == start.id);
  CHECK_FALSE(back.shell);
  CHECK(back.argc == 3);
  CHECK(back.envc == 2);
  CHECK(back.clear_env);
  CHECK(back.cwd == start.cwd);
  CHECK(back.takes_stdin);
  CHECK(back.reply == ReplyForm::whole);
  CHECK(back.linger == Linger::now);
  CHECK(back.timeout_ms == 1u);
  CHECK(back.idle_ms == kMaxPayloadBytes);
  CHECK(back.len == kMaxSessionPayloadBytes);
}

TEST_CASE("session message: a start that says no more than it must has the defaults of the document") {
  const Start start = parse_start(R"("len":3)");
  CHECK(start.id.empty());
  CHECK(start.shell);
  CHECK(start.argc == 0);
  CHECK(start.envc == 0);
  CHECK_FALSE(start.clear_env);
  CHECK(start.cwd.empty());
  CHECK_FALSE(start.takes_stdin);
  CHECK(start.reply == ReplyForm::stream);
  CHECK(start.linger == Linger::grace);
  CHECK_FALSE(start.timeout_ms.has_value());
  CHECK_FALSE(start.idle_ms.has_value());
  CHECK(start.len == 3);
}

TEST_CASE("session message: null is the same as a missing key") {
  const Start start = parse_start(
      R"("id":null,"argc":null,"envc":null,"clear_env":null,"cwd":null,"stdin":null,"reply":null,)"
      R"("linger":null,"timeout_ms":null,"idle_ms":null,"full":null,"len":null)");
  CHECK(start.id.empty());
  CHECK(start.reply == ReplyForm::stream);
  CHECK(start.linger == Linger::grace);
  CHECK_FALSE(start.timeout_ms.has_value());
  CHECK(start.len == 0);
}

TEST_CASE("session message: every linger has a name of its own and comes back as it was") {
  for (const Linger linger : {Linger::grace, Linger::wait, Linger::now}) {
    CHECK(linger_named(name_of(linger)) == linger);
    Start start;
    start.argc = 1;
    start.linger = linger;
    CHECK(reread_by_server(start).linger == linger);
  }
  CHECK(name_of(Linger::now) == "return");
  CHECK_FALSE(linger_named("for ever").has_value());
}

TEST_CASE("session message: a working directory of any bytes comes back, as text only where it is text") {
  for (const std::string& cwd : {bytes("/tmp/\xff\xfe"), bytes("/\xd6\xd0"), bytes("\x80"),
                                 bytes("/caf\xc3\xa9"), bytes("/a\"b\\\n")}) {
    Start start;
    start.argc = 1;
    start.cwd = cwd;
    CHECK(reread_by_server(start).cwd == cwd);
    const bool is_encoded = to_json(start).find(R"("cwd":{"b64":)") != std::string::npos;
    CHECK(is_encoded == (cwd.find_first_of("\xff\xd6\x80") != std::string::npos));
  }
  CHECK(parse_start(R"("cwd":{"b64":"L3RtcA=="})").cwd == "/tmp");
  CHECK(parse_start(R"("cwd":{"b64":""})").cwd.empty());
}

TEST_CASE("session message: the client's other messages come back as they were") {
  const StdinBytes input = reread_by_server(StdinBytes{"a", kMaxPayloadBytes, true, 8});
  CHECK(input.id == "a");
  CHECK(input.off == kMaxPayloadBytes);
  CHECK(input.eof);
  CHECK(input.len == 8);
  for (int signal = 1; signal < 65; ++signal) CHECK(reread_by_server(Signal{"a", signal}).signal == signal);
  for (const StdStream stream : {StdStream::out, StdStream::err}) {
    CHECK(reread_by_server(Stop{"b", stream}).stream == stream);
    const Credit credit = reread_by_server(Credit{"b", stream, kMaxPayloadBytes});
    CHECK(credit.id == "b");
    CHECK(credit.stream == stream);
    CHECK(credit.bytes == kMaxPayloadBytes);
  }
  reread_by_server(Ping{});
  reread_by_server(Pong{});
}

TEST_CASE(
    "session message: a server's hello comes back as it was; limits that it leaves out are the known ones") {
  const ServerHello back = reread_by_client(ServerHello{"0a", "x \"y\"", {1, 2, 3, 4}, 5});
  CHECK(back.boot == "0a");
  CHECK(back.server == "x \"y\"");
  CHECK(back.limits.header == 1);
  CHECK(back.limits.payload == 2);
  CHECK(back.limits.depth == 3);
  CHECK(back.limits.stdin_window == 4);
  CHECK(back.ping_ms == 5);
  for (const std::string json :
       {R"({"type":"hello","v":1})", R"({"type":"hello","v":1,"limits":{"depth":8}})"}) {
    const auto bare = parse_server_message(json);
    REQUIRE(bare.ok());
    CHECK(std::get<ServerHello>(*bare).limits.stdin_window == kStdinWindowBytes);
    CHECK(std::get<ServerHello>(*bare).ping_ms == 0);
  }
}

TEST_CASE("session message: the server's news of a running command comes back as it was") {
  const Started started = reread_by_client(Started{"a", 1234567, true});
  CHECK(started.id == "a");
  CHECK(started.pid == 1234567);
  CHECK(started.existing);
  for (const StdStream stream : {StdStream::out, StdStream::err}) {
    const Output output = reread_by_client(Output{"a", stream, 7, kMaxPayloadBytes});
    CHECK(output.id == "a");
    CHECK(output.stream == stream);
    CHECK(output.off == 7);
    CHECK(output.len == kMaxPayloadBytes);
  }
  CHECK(reread_by_client(Credit{"a", StdStream::in, 6}).bytes == 6);
  CHECK(reread_by_client(Stop{"a", StdStream::in}).stream == StdStream::in);
  reread_by_client(Ping{});
  reread_by_client(Pong{});
}

TEST_CASE("session message: an exit comes back as it was, with all that it may say") {
  Exit exit;
  exit.id = "a";
  exit.status = ExitStatus::killed(6);
  exit.core = true;
  exit.reason = Reason::idle_timeout;
  exit.stdout_bytes = 5;
  exit.stderr_bytes = 4;
  exit.truncated = exit.cut = true;
  exit.survivors = 0;
  exit.usage = {1234.5, 0.125, 0.0, 1 << 20};
  exit.len = 9;
  const Exit back = reread_by_client(exit);
  CHECK(back.id == "a");
  CHECK(back.status == ExitStatus::killed(6));
  CHECK(back.core == true);
  CHECK(back.reason == Reason::idle_timeout);
  CHECK(back.stdout_bytes == 5);
  CHECK(back.stderr_bytes == 4);
  CHECK(back.truncated);
  CHECK(back.cut);
  CHECK(back.survivors == 0);
  CHECK(back.usage.wall_ms == 1234.5);
  CHECK(back.usage.max_rss_kb == 1 << 20);
  CHECK(back.len == 9);
}

TEST_CASE("session message: what an exit does not know is neither false nor zero") {
  Exit exit;
  exit.id = "a";
  exit.status = ExitStatus::exited(0);
  exit.reason = Reason::exited;
  const Exit back = reread_by_client(exit);
  CHECK_FALSE(back.core.has_value());
  CHECK_FALSE(back.survivors.has_value());
  CHECK_FALSE(back.usage.wall_ms.has_value());
  CHECK_FALSE(back.truncated);
  CHECK_FALSE(back.cut);
  CHECK(back.len == 0);
}

TEST_CASE(
    "session message: an exit without the bytes it counts, as in a stream, is legal; wrong sums are not") {
  const std::string exit = R"({"type":"exit","id":"a","code":0,"stdout":5,"stderr":4)";
  CHECK(parse_server_message(exit + "}").ok());
  CHECK(parse_server_message(exit + R"(,"len":9})").ok());
  CHECK(server_error(exit + R"(,"len":8})") == R"(exit: "stdout" and "stderr" do not add up to "len")");
}

TEST_CASE("session message: a reason that is not known is none, and takes nothing from the status") {
  const auto parsed =
      parse_server_message(R"({"type":"exit","id":"a","code":7,"reason":"bored","stdout":0,"stderr":0})");
  REQUIRE(parsed.ok());
  CHECK_FALSE(std::get<Exit>(*parsed).reason.has_value());
  CHECK(std::get<Exit>(*parsed).status == ExitStatus::exited(7));
}

TEST_CASE("session message: an error comes back as it was, about a command and about the session") {
  const SessionError error{"a", {"spawn", "no \"shell\"\n", "exec", "ENOENT", 100}};
  const SessionError back = reread_by_client(error);
  CHECK(back.id == "a");
  CHECK(back.error.error == "spawn");
  CHECK(back.error.message == error.error.message);
  CHECK(back.error.stage == "exec");
  CHECK(back.error.errno_name == "ENOENT");
  CHECK(back.error.retry_ms == 100);
  CHECK(reread_by_client(SessionError{"", {"shutdown", "", "", "", {}}}).id.empty());
}

// --- what stands behind a header ---

TEST_CASE("session message: only what says `len` has bytes behind it") {
  Start start;
  start.argc = 1;
  start.len = 5;
  CHECK(payload_bytes(ClientMessage(start)) == 5);
  CHECK(payload_bytes(ClientMessage(StdinBytes{"a", 0, false, 6})) == 6);
  CHECK(payload_bytes(ClientMessage(Reserved{"stats", "", 7})) == 7);
  CHECK(payload_bytes(ClientMessage(Optional{8})) == 8);
  CHECK(payload_bytes(ClientMessage(Ping{})) == 0);
  CHECK(payload_bytes(ServerMessage(Output{"a", StdStream::out, 0, 9})) == 9);
  Exit exit;
  exit.len = 10;
  CHECK(payload_bytes(ServerMessage(exit)) == 10);
  CHECK(payload_bytes(ServerMessage(Optional{11})) == 11);
  CHECK(payload_bytes(ServerMessage(Ping{})) == 0);
}

TEST_CASE("session message: a message that has no payload cannot say that it has") {
  for (const std::string json :
       {R"({"type":"hello","v":1,"len":1})", R"({"type":"ping","len":1})", R"({"type":"pong","len":1})",
        R"({"type":"signal","id":"a","signal":"TERM","len":1})",
        R"({"type":"stop","id":"a","stream":"stdout","len":1})",
        R"({"type":"credit","id":"a","stream":"stdout","bytes":1,"len":1})"}) {
    CAPTURE(json);
    CHECK(client_error(json).find(R"("len" may be 0 at most here)") != std::string::npos);
  }
  for (const std::string json :
       {R"({"type":"hello","v":1,"len":1})", R"({"type":"ping","len":1})",
        R"({"type":"started","id":"a","pid":1,"len":1})", R"({"type":"error","error":"x","len":1})",
        R"({"type":"stop","id":"a","stream":"stdin","len":1})",
        R"({"type":"credit","id":"a","stream":"stdin","bytes":1,"len":1})"}) {
    CAPTURE(json);
    CHECK(server_error(json).find(R"("len" may be 0 at most here)") != std::string::npos);
  }
}

TEST_CASE(
    "session message: no payload towards a server has more than 1 MiB, not even one that is passed over") {
  for (const std::string json :
       {R"({"type":"start","shell":true,"len":)", R"({"type":"stdin","id":"a","off":0,"len":)",
        R"({"type":"stats","len":)", R"({"type":"news","optional":true,"len":)"}) {
    CAPTURE(json);
    CHECK(parse_client_message(json + "1048576}").ok());
    CHECK(client_error(json + "1048577}").find(R"("len" may be 1048576 at most here)") != std::string::npos);
  }
  CHECK(parse_server_message(R"({"type":"news","optional":true,"len":9007199254740992})").ok());
}

// --- types ---

TEST_CASE("session message: a type that is kept for later is known as such, with its id and its payload") {
  for (const std::string type : {"stats"}) {
    const auto parsed = parse_client_message(R"({"type":")" + type + R"(","id":"a","len":4,"rows":[1]})");
    REQUIRE(parsed.ok());
    REQUIRE(std::holds_alternative<Reserved>(*parsed));
    CHECK(std::get<Reserved>(*parsed).type == type);
    CHECK(std::get<Reserved>(*parsed).id == "a");
    CHECK(std::get<Reserved>(*parsed).len == 4);
    CHECK(server_error(R"({"type":")" + type + "\"}") == "unknown type \"" + type + "\"");
  }
  CHECK(parse_client_message(R"({"type":"list"})").ok());
}

TEST_CASE("session message: an unknown type is passed over where it says that it may be, and only there") {
  const auto parsed = parse_client_message(R"({"type":"news","optional":true,"len":7,"id":[]})");
  REQUIRE(parsed.ok());
  CHECK(std::get<Optional>(*parsed).len == 7);
  CHECK(client_error(R"({"type":"news"})") == R"(unknown type "news")");
  CHECK(client_error(R"({"type":"news","optional":false})") == R"(unknown type "news")");
  CHECK(client_error(R"({"type":"news","optional":null})") == R"(unknown type "news")");
  CHECK(client_error(R"({"type":""})") == R"(unknown type "")");
  CHECK(client_error(R"({"type":"Start","shell":true})") == R"(unknown type "Start")");
}

TEST_CASE("session message: `optional` makes no malformed message of a known type legal") {
  CHECK(
      client_error(R"({"type":"signal","optional":true,"id":"a","signal":"NONE"})").starts_with("signal: "));
}

TEST_CASE("session message: what one side says is no message of the other's") {
  for (const std::string json : {R"({"type":"start","shell":true})", R"({"type":"stdin","id":"a","off":0})",
                                 R"({"type":"signal","id":"a","signal":"TERM"})"})
    CHECK(server_error(json).starts_with("unknown type"));
  for (const std::string json :
       {R"({"type":"started","id":"a","pid":1})", R"({"type":"output","id":"a","stream":"stdout","off":0})",
        R"({"type":"exit","id":"a","code":0,"stdout":0,"stderr":0})", R"({"type":"error","error":"x"})"})
    CHECK(client_error(json).starts_with("unknown type"));
}

TEST_CASE("session message: a wrong value is shown, but not more of it than a little") {
  const std::string long_name(40, 'x');
  CHECK(client_error(R"({"type":")" + long_name + "\"}") == "unknown type \"" + std::string(32, 'x') + "\"");
}

// --- starts ---

TEST_CASE("session message: an id has 1 to 64 bytes, none of them NUL") {
  CHECK(parse_start(R"("id":")" + std::string(kMaxIdBytes, 'x') + "\"").id == std::string(kMaxIdBytes, 'x'));
  const std::string kSizes = R"(start: "id" must have 1 to 64 bytes)";
  CHECK(start_error(R"("id":")" + std::string(kMaxIdBytes + 1, 'x') + "\"") == kSizes);
  CHECK(start_error(R"("id":"")") == kSizes);
  CHECK(start_error(R"("id":"a\u0000b")") == R"(start: "id" cannot hold a NUL byte)");
  CHECK(start_error(R"("id":7)") == R"(start: "id" must be a string)");
}

TEST_CASE("session message: every message about a command says which") {
  for (const std::string json :
       {R"({"type":"stdin","off":0})", R"({"type":"signal","signal":"TERM"})",
        R"({"type":"stop","stream":"stdout"})", R"({"type":"credit","stream":"stdout","bytes":1})"}) {
    CAPTURE(json);
    CHECK(client_error(json).find(R"("id" is missing)") != std::string::npos);
  }
  for (const std::string json :
       {R"({"type":"started","pid":1})", R"({"type":"output","stream":"stdout","off":0})",
        R"({"type":"exit","code":0,"stdout":0,"stderr":0})", R"({"type":"stop","stream":"stdin"})",
        R"({"type":"credit","stream":"stdin","bytes":1})"}) {
    CAPTURE(json);
    CHECK(server_error(json).find(R"("id" is missing)") != std::string::npos);
  }
}

// --- payloads of starts ---

namespace {

Start shell_start(std::uint64_t envc = 0) {
  Start start;
  start.shell = true;
  start.envc = envc;
  return start;
}

Start argv_start(std::uint64_t argc, std::uint64_t envc = 0) {
  Start start;
  start.argc = argc;
  start.envc = envc;
  return start;
}

std::string split_error(const Start& start, std::string_view payload) {
  return error_of(split_start_payload(start, payload));
}

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("session message: a start's payload comes back from its words as they were") {
  const StartWords all[] = {{"echo \xff 'x'", {}, {}},
                            {"", {}, {}},
                            {"line", {}, {"A=1", "B="}},
                            {"", {"program"}, {}},
                            {"", {"program", "", "two words", "\xff\n"}, {}},
                            {"", {"program", "A=1"}, {"B=2=3", "C=\xff"}}};
  for (const StartWords& words : all) {
    const bool shell = words.argv.empty();
    const std::string payload = join_start_payload(words, shell);
    Start start = shell ? shell_start() : argv_start(words.argv.size());
    start.envc = words.environment.size();
    const auto back = split_start_payload(start, payload);
    REQUIRE_MESSAGE(back.ok(), back.error().message);
    CHECK(back->line == words.line);
    CHECK(back->argv == words.argv);
    CHECK(back->environment == words.environment);
  }
}

TEST_CASE("session message: a payload is a line as it stands, or words with a NUL behind each") {
  CHECK(join_start_payload({"ls", {}, {}}, true) == "ls");
  CHECK(join_start_payload({"ls", {}, {"A=1"}}, true) == bytes({"ls\0A=1\0", 7}));
  CHECK(join_start_payload({"", {"a", "b"}, {"A=1"}}, false) == bytes({"a\0b\0A=1\0", 8}));
}

TEST_CASE("session message: a shell line of a start has no NUL, but the one before environment words") {
  CHECK(split_error(shell_start(), {"a\0b", 3}) ==
        "start: a shell line cannot hold a NUL byte; nothing was run");
  CHECK(split_error(shell_start(), {"ab\0", 3}).find("NUL") != std::string::npos);
  CHECK(split_error(shell_start(1), "ab A=1") ==
        "start: before environment words the line ends with a NUL byte");
  CHECK(split_error(shell_start(1), {"a\0b\0A=1\0", 8}) ==
        "start: the payload has more words than were announced");
}

TEST_CASE("session message: a payload with other than the announced number of words is refused") {
  const std::string_view two("a\0b\0", 4);
  CHECK(split_start_payload(argv_start(2), two).ok());
  for (const std::uint64_t argc : {std::uint64_t{3}, kMaxPayloadBytes})
    CHECK(split_error(argv_start(argc), two) == "start: the payload has fewer words than were announced");
  CHECK(split_error(argv_start(1), two) == "start: the payload has more words than were announced");
  CHECK(split_error(argv_start(2), {"a\0b", 3}) == "start: the payload has fewer words than were announced");
  CHECK(split_error(argv_start(2, 1), two) == "start: the payload has fewer words than were announced");
  CHECK(split_error(argv_start(1), "") == "start: the payload has fewer words than were announced");
}

TEST_CASE("session message: a program without a name is refused, an empty argument is not") {
  CHECK(split_error(argv_start(2), {"\0b\0", 3}) == "start: the first word, the program, is empty");
  CHECK(split_start_payload(argv_start(2), {"a\0\0", 3})->argv == Words{"a", ""});
}

TEST_CASE("session message: a word of the environment has a name and a value, which may be empty") {
  for (const std::string_view payload :
       {std::string_view("a\0A\0", 4), std::string_view("a\0=1\0", 5), std::string_view("a\0\0", 3)})
    CHECK(split_error(argv_start(1, 1), payload) == "start: a word of the environment is not NAME=VALUE");
  CHECK(split_start_payload(argv_start(1, 1), {"a\0A=\0", 5})->environment == Words{"A="});
  CHECK(split_error(shell_start(1), {"a\0A\0", 4}) == "start: a word of the environment is not NAME=VALUE");
}

// --- anything at all ---

TEST_CASE("session message: every prefix of a message is refused") {
  Start start;
  start.id = "a";
  start.argc = 1;
  start.cwd = "/\xff";
  const std::string json = to_json(start);
  for (std::size_t size = 0; size < json.size(); ++size) {
    CHECK_FALSE(parse_client_message(json.substr(0, size)).ok());
    CHECK_FALSE(parse_server_message(json.substr(0, size)).ok());
  }
  CHECK_FALSE(parse_client_message({}).ok());
}

TEST_CASE("session message: a header is read from memory that ends right behind it") {
  const std::string json = to_json(Signal{"a", 15});
  const std::unique_ptr<char[]> memory(new char[json.size()]);
  json.copy(memory.get(), json.size());
  CHECK(parse_client_message({memory.get(), json.size()}).ok());
}

TEST_CASE("session message: random changes are refused or understood, and no bound is passed by them") {
  Start start;
  start.id = "a";
  start.argc = 12;
  start.envc = 3;
  start.timeout_ms = 1000;
  start.len = 100;
  const std::string json = to_json(start);
  std::mt19937 random(20240229);
  int understood = 0;
  for (int round = 0; round < 5000; ++round) {
    std::string changed = json;
    for (unsigned changes = random() % 3 + 1; changes > 0; --changes)
      changed[random() % changed.size()] =
          "{}[]\",:0-e\\\xff"
          "9tr"[random() % 16];
    const auto message = parse_client_message(changed);
    if (!message) continue;
    ++understood;
    CHECK(payload_bytes(*message) <= kMaxSessionPayloadBytes);
    if (const auto* read = std::get_if<Start>(&*message)) CHECK(read->id.size() <= kMaxIdBytes);
  }
  CHECK(understood > 0);
}
