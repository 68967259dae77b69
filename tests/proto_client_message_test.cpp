// What a client of a session says: as to_json() writes it, that the parser reads it back, and what it refuses. More of
// that is in proto/vectors.
#include <doctest/doctest.h>

#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>

#include "proto/client_message.hpp"
#include "tests/message_round_trip.hpp"

using namespace runwire;

namespace {

// Of a start that is legal otherwise.
std::string start_error(const std::string& fields) {
  return client_error(R"({"type":"start","shell":true,)" + fields + "}");
}

Start started_with(const std::string& fields) {
  return reread<Start>(parse_client_message(R"({"type":"start","shell":true,)" + fields + "}"));
}

Start argv_start() {
  Start start;
  start.argc = 1;
  return start;
}

// A message of this type that has `fields` is refused for `why`.
struct Wrong {
  const char* type;
  const char* fields;
  const char* why;
};

}  // namespace

// --- what is written ---

TEST_CASE("client message: as they stand on the wire; what has a default is left out") {
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

TEST_CASE("client message: those about kept commands, as they stand on the wire") {
  CHECK(to_json(Attach{"a", 0, kMaxPayloadBytes, true}) ==
        R"({"type":"attach","id":"a","stdout":0,"stderr":9007199254740992})");
  CHECK(to_json(Attach{"a", {}, {}, false}) == R"({"type":"attach","id":"a","output":false})");
  CHECK(to_json(Detach{"a"}) == R"({"type":"detach","id":"a"})");
  CHECK(to_json(Cancel{"a"}) == R"({"type":"cancel","id":"a"})");
  CHECK(to_json(Forget{"a"}) == R"({"type":"forget","id":"a"})");
  CHECK(to_json(List{}) == R"({"type":"list"})");
  CHECK(to_json(Resize{"a", {50, 132}}) == R"({"type":"resize","id":"a","rows":50,"cols":132})");
}

TEST_CASE("client message: a start that keeps, limits and has a terminal, as it stands on the wire") {
  Start start = argv_start();
  start.keep_ms = 0;
  start.full = Full::drop;
  start.limits = {1, 2, 3, 4, 5, 6, -7, 0};
  start.pty = PtyWish{{0, 1}, "x"};
  CHECK(to_json(start) ==
        R"({"type":"start","argc":1,"keep_ms":0,"full":"drop","limits":{"cpu":1,"as":2,"nofile":3,)"
        R"("nproc":4,"fsize":5,"core":6,"umask":0,"nice":-7},"pty":{"rows":0,"cols":1,"term":"x"},"len":0})");
  start = argv_start();
  start.pty = PtyWish{};
  CHECK(to_json(start) == R"({"type":"start","argc":1,"pty":{"rows":24,"cols":80},"len":0})");
}

// --- round trips ---

TEST_CASE("client message: a hello comes back as it was") {
  CHECK_FALSE(reread_by_server(ClientHello{}).window.has_value());
  for (const std::uint64_t window : {std::uint64_t{0}, std::uint64_t{65536}, kMaxPayloadBytes})
    CHECK(reread_by_server(ClientHello{window}).window == window);
}

TEST_CASE("client message: a start comes back as it was, with all that a whole reply goes with") {
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

TEST_CASE("client message: a start that keeps, limits and has a terminal comes back as it was") {
  Start start = argv_start();
  start.keep_ms = kMaxPayloadBytes;
  start.full = Full::spill;
  start.limits = {0, 1, 2, 3, kMaxPayloadBytes, 5, -20, 0777};
  start.pty = PtyWish{{UINT16_MAX, 0}, "xterm-256color"};
  const Start back = reread_by_server(start);
  CHECK(back.keep_ms == kMaxPayloadBytes);
  CHECK(back.full == Full::spill);
  CHECK(back.limits == start.limits);
  REQUIRE(back.pty.has_value());
  CHECK(back.pty->size.rows == UINT16_MAX);
  CHECK(back.pty->size.cols == 0);
  CHECK(back.pty->term == "xterm-256color");
}

TEST_CASE("client message: every limit has a key of its own, and those that are not said stay unsaid") {
  CommandLimits all[8];
  all[0].cpu_s = all[1].as_bytes = all[2].nofile = all[3].nproc = 9;
  all[4].fsize_bytes = all[5].core_bytes = 9;
  all[6].nice = 9;
  all[7].umask = 9;
  for (const CommandLimits& limits : all) {
    Start start = argv_start();
    start.limits = limits;
    CAPTURE(to_json(start));
    CHECK(reread_by_server(start).limits == limits);
  }
  CHECK(started_with(R"("limits":{})").limits == CommandLimits{});
  CHECK(started_with(R"("limits":{"cpu":null,"nice":null,"umask":null,"new":"x"})").limits ==
        CommandLimits{});
}

TEST_CASE("client message: a terminal has 24 rows of 80 where nothing else is said") {
  for (const std::string fields : {R"("pty":{})", R"("pty":{"rows":null,"cols":null,"term":null})"}) {
    const Start start = started_with(fields);
    REQUIRE(start.pty.has_value());
    CHECK(start.pty->size.rows == 24);
    CHECK(start.pty->size.cols == 80);
    CHECK(start.pty->term.empty());
  }
}

TEST_CASE("client message: a start that says no more than it must has the defaults of the document") {
  const Start start = started_with(R"("len":3)");
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
  CHECK_FALSE(start.keep_ms.has_value());
  CHECK(start.full == Full::block);
  CHECK(start.limits == CommandLimits{});
  CHECK_FALSE(start.pty.has_value());
  CHECK(start.len == 3);
}

TEST_CASE("client message: null is the same as a missing key") {
  const Start start = started_with(
      R"("id":null,"argc":null,"envc":null,"clear_env":null,"cwd":null,"stdin":null,"reply":null,)"
      R"("linger":null,"timeout_ms":null,"idle_ms":null,"full":null,"keep_ms":null,"limits":null,"pty":null,"len":null)");
  CHECK(start.id.empty());
  CHECK(start.reply == ReplyForm::stream);
  CHECK(start.linger == Linger::grace);
  CHECK_FALSE(start.timeout_ms.has_value());
  CHECK_FALSE(start.keep_ms.has_value());
  CHECK_FALSE(start.pty.has_value());
  CHECK(start.len == 0);
}

TEST_CASE("client message: every linger has a name of its own and comes back as it was") {
  for (const Linger linger : {Linger::grace, Linger::wait, Linger::now}) {
    CHECK(linger_named(name_of(linger)) == linger);
    Start start = argv_start();
    start.linger = linger;
    CHECK(reread_by_server(start).linger == linger);
  }
  CHECK(name_of(Linger::now) == "return");
  CHECK_FALSE(linger_named("for ever").has_value());
}

TEST_CASE("client message: everything that can happen to a full record has a name and comes back as it was") {
  for (const Full full : {Full::block, Full::spill, Full::drop}) {
    CHECK(full_named(name_of(full)) == full);
    Start start = argv_start();
    start.full = full;
    CHECK(reread_by_server(start).full == full);
  }
  CHECK_FALSE(full_named("").has_value());
  CHECK_FALSE(full_named("Block").has_value());
}

TEST_CASE("client message: a working directory of any bytes comes back, as text only where it is text") {
  for (const std::string& cwd : {bytes("/tmp/\xff\xfe"), bytes("/\xd6\xd0"), bytes("\x80"),
                                 bytes("/caf\xc3\xa9"), bytes("/a\"b\\\n")}) {
    Start start = argv_start();
    start.cwd = cwd;
    CHECK(reread_by_server(start).cwd == cwd);
    const bool is_encoded = to_json(start).find(R"("cwd":{"b64":)") != std::string::npos;
    CHECK(is_encoded == (cwd.find_first_of("\xff\xd6\x80") != std::string::npos));
  }
  CHECK(started_with(R"("cwd":{"b64":"L3RtcA=="})").cwd == "/tmp");
  CHECK(started_with(R"("cwd":{"b64":""})").cwd.empty());
}

TEST_CASE("client message: all others come back as they were") {
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

TEST_CASE("client message: those about kept commands come back as they were") {
  const Attach attach = reread_by_server(Attach{"a", 0, kMaxPayloadBytes, false});
  CHECK(attach.id == "a");
  CHECK(attach.stdout_off == 0u);
  CHECK(attach.stderr_off == kMaxPayloadBytes);
  CHECK_FALSE(attach.wants_output);
  const Attach from_now = reread_by_server(Attach{"a", {}, {}, true});
  CHECK_FALSE(from_now.stdout_off.has_value());
  CHECK_FALSE(from_now.stderr_off.has_value());
  CHECK(from_now.wants_output);
  CHECK(reread_by_server(Detach{"b"}).id == "b");
  CHECK(reread_by_server(Cancel{"c"}).id == "c");
  CHECK(reread_by_server(Forget{"d"}).id == "d");
  reread_by_server(List{});
  const Resize resize = reread_by_server(Resize{"e", {0, UINT16_MAX}});
  CHECK(resize.id == "e");
  CHECK(resize.size.rows == 0);
  CHECK(resize.size.cols == UINT16_MAX);
}

// --- what is refused ---

TEST_CASE("client message: a kept or recorded command is streamed, not answered whole") {
  const std::string kWhole =
      R"(start: "reply" cannot be "whole" for a command that is kept or whose output may be spilled or dropped)";
  for (const std::string fields :
       {R"("keep_ms":0)", R"("keep_ms":5,"full":"block")", R"("full":"spill")", R"("full":"drop")"}) {
    CAPTURE(fields);
    CHECK(start_error(R"("reply":"whole",)" + fields) == kWhole);
    started_with(R"("reply":"stream",)" + fields);
  }
  CHECK(started_with(R"("reply":"whole","full":"block","keep_ms":null)").reply == ReplyForm::whole);
}

TEST_CASE("client message: what a start keeps, limits and shows is a value of the right type and range") {
  const std::pair<const char*, const char*> wrong[] = {
      {R"("keep_ms":-1)", R"("keep_ms" must be an integer from 0 to 2^53)"},
      {R"("keep_ms":9007199254740993)", R"("keep_ms" must be an integer from 0 to 2^53)"},
      {R"("keep_ms":true)", R"("keep_ms" must be an integer in range)"},
      {R"("keep_ms":1.0)", R"("keep_ms" must be an integer in range)"},
      {R"("keep_ms":1e3)", R"("keep_ms" must be an integer in range)"},
      {R"("full":"")", R"("full" cannot be "")"},
      {R"("full":1)", R"("full" must be a string)"},
      {R"("limits":[])", R"("limits" must be an object)"},
      {R"("limits":{"cpu":-1})", R"("limits" are malformed: "cpu" must be an integer from 0 to 2^53)"},
      {R"("limits":{"as":"1"})", R"("limits" are malformed: "as" must be an integer in range)"},
      {R"("limits":{"nofile":9007199254740993})", R"("limits" are malformed: "nofile" must be an integer)"},
      {R"("limits":{"nproc":1.5})", R"("limits" are malformed: "nproc" must be an integer in range)"},
      {R"("limits":{"fsize":false})", R"("limits" are malformed: "fsize" must be an integer in range)"},
      {R"("limits":{"core":{}})", R"("limits" are malformed: "core" must be an integer in range)"},
      {R"("limits":{"nice":20})", R"("limits" are malformed: "nice" must be from -20 to 19)"},
      {R"("limits":{"nice":-21})", R"("limits" are malformed: "nice" must be from -20 to 19)"},
      {R"("limits":{"nice":-9223372036854775808})", R"("limits" are malformed: "nice" must be from -20)"},
      {R"("limits":{"nice":"0"})", R"("limits" are malformed: "nice" must be an integer in range)"},
      {R"("limits":{"umask":512})", R"("limits" are malformed: "umask" may be 511 at most)"},
      {R"("limits":{"umask":-1})", R"("limits" are malformed: "umask" must be an integer from 0 to 2^53)"},
      {R"("limits":{"umask":"022"})", R"("limits" are malformed: "umask" must be an integer in range)"},
      {R"("limits":{"umask":4294967296})", R"("limits" are malformed: "umask" may be 511 at most)"},
      {R"("pty":true)", R"("pty" must be an object)"},
      {R"("pty":{"rows":65536})", R"("pty" is malformed: "rows" may be 65535 at most)"},
      {R"("pty":{"cols":65536})", R"("pty" is malformed: "cols" may be 65535 at most)"},
      {R"("pty":{"rows":-1})", R"("pty" is malformed: "rows" must be an integer from 0 to 2^53)"},
      {R"("pty":{"cols":"80"})", R"("pty" is malformed: "cols" must be an integer in range)"},
      {R"("pty":{"term":5})", R"("pty" is malformed: "term" must be a string)"},
      {R"("pty":{"term":"a\u0000b"})", R"("pty" is malformed: "term" cannot hold a NUL byte)"},
  };
  for (const auto& each : wrong) {
    CAPTURE(each.first);
    CHECK(start_error(each.first).starts_with(std::string("start: ") + each.second));
  }
}

TEST_CASE("client message: the ends of every range are in it") {
  CHECK(started_with(R"("limits":{"nice":-20})").limits.nice == -20);
  CHECK(started_with(R"("limits":{"nice":19})").limits.nice == 19);
  CHECK(started_with(R"("limits":{"umask":0})").limits.umask == 0u);
  CHECK(started_with(R"("limits":{"umask":511})").limits.umask == 0777u);
  CHECK(started_with(R"("pty":{"rows":0,"cols":65535})").pty->size.cols == 65535);
  CHECK(started_with(R"("keep_ms":0)").keep_ms == 0u);
  CHECK(started_with(R"("keep_ms":9007199254740992)").keep_ms == kMaxPayloadBytes);
}

TEST_CASE("client message: what is said about kept commands is of the right type and range") {
  const Wrong wrong[] = {
      {"attach", R"("id":"a","stdout":-1)", R"("stdout" must be an integer from 0 to 2^53)"},
      {"attach", R"("id":"a","stderr":9007199254740993)", R"("stderr" must be an integer from 0 to 2^53)"},
      {"attach", R"("id":"a","stdout":"0")", R"("stdout" must be an integer in range)"},
      {"attach", R"("id":"a","output":"no")", R"("output" must be true or false)"},
      {"attach", R"("id":"")", R"("id" must have 1 to 64 bytes)"},
      {"detach", R"("id":7)", R"("id" must be a string)"},
      {"cancel", R"("id":"a\u0000")", R"("id" cannot hold a NUL byte)"},
      {"forget", R"("id":["a"])", R"("id" must be a string)"},
      {"resize", R"("id":"a","cols":80)", R"("rows" is missing)"},
      {"resize", R"("id":"a","rows":24)", R"("cols" is missing)"},
      {"resize", R"("id":"a","rows":null,"cols":80)", R"("rows" is missing)"},
      {"resize", R"("id":"a","rows":65536,"cols":80)", R"("rows" may be 65535 at most)"},
      {"resize", R"("id":"a","rows":24,"cols":-1)", R"("cols" must be an integer from 0 to 2^53)"},
      {"resize", R"("id":"a","rows":24,"cols":80.0)", R"("cols" must be an integer in range)"},
  };
  for (const Wrong& each : wrong) {
    const std::string type = each.type;
    CAPTURE(each.fields);
    CHECK(client_error(R"({"type":")" + type + "\"," + each.fields + "}") == type + ": " + each.why);
  }
}

TEST_CASE("client message: a key that stands twice is refused, wherever it stands") {
  for (const std::string json :
       {R"({"type":"attach","id":"a","stdout":1,"stdout":1})", R"({"type":"forget","id":"a","id":"b"})",
        R"({"type":"start","shell":true,"limits":{"cpu":1,"cpu":2}})",
        R"({"type":"start","shell":true,"pty":{"rows":1,"rows":1}})"}) {
    CAPTURE(json);
    CHECK(client_error(json) == "header: a key stands twice");
  }
}

// --- what stands behind a header ---

TEST_CASE("client message: only what says `len` has bytes behind it") {
  Start start;
  start.len = 5;
  CHECK(payload_bytes(ClientMessage(start)) == 5);
  CHECK(payload_bytes(ClientMessage(StdinBytes{"a", 0, false, 6})) == 6);
  CHECK(payload_bytes(ClientMessage(Reserved{"stats", "", 7})) == 7);
  CHECK(payload_bytes(ClientMessage(Optional{8})) == 8);
  CHECK(payload_bytes(ClientMessage(Ping{})) == 0);
  CHECK(payload_bytes(ClientMessage(Attach{"a", 5, 5, true})) == 0);
}

TEST_CASE("client message: one that has no payload cannot say that it has") {
  for (const std::string json :
       {R"({"type":"hello","v":1,"len":1})", R"({"type":"ping","len":1})", R"({"type":"pong","len":1})",
        R"({"type":"signal","id":"a","signal":"TERM","len":1})",
        R"({"type":"stop","id":"a","stream":"stdout","len":1})",
        R"({"type":"credit","id":"a","stream":"stdout","bytes":1,"len":1})",
        R"({"type":"attach","id":"a","len":1})", R"({"type":"detach","id":"a","len":1})",
        R"({"type":"cancel","id":"a","len":1})", R"({"type":"forget","id":"a","len":1})",
        R"({"type":"list","len":1})", R"({"type":"resize","id":"a","rows":1,"cols":1,"len":1})"}) {
    CAPTURE(json);
    CHECK(client_error(json).find(R"("len" may be 0 at most here)") != std::string::npos);
  }
}

TEST_CASE("client message: no payload has more than 1 MiB, not even one that is passed over") {
  for (const std::string json :
       {R"({"type":"start","shell":true,"len":)", R"({"type":"stdin","id":"a","off":0,"len":)",
        R"({"type":"stats","len":)", R"({"type":"news","optional":true,"len":)"}) {
    CAPTURE(json);
    CHECK(parse_client_message(json + "1048576}").ok());
    CHECK(client_error(json + "1048577}").find(R"("len" may be 1048576 at most here)") != std::string::npos);
  }
}

// --- types ---

TEST_CASE("client message: a type that is kept for later is known as such, with its id and its payload") {
  const auto parsed = parse_client_message(R"({"type":"stats","id":"a","len":4,"rows":[1]})");
  const auto reserved = reread<Reserved>(parsed);
  CHECK(reserved.type == "stats");
  CHECK(reserved.id == "a");
  CHECK(reserved.len == 4);
}

TEST_CASE("client message: an unknown type is passed over where it says that it may be, and only there") {
  const auto parsed = parse_client_message(R"({"type":"news","optional":true,"len":7,"id":[]})");
  REQUIRE(parsed.ok());
  CHECK(std::get<Optional>(*parsed).len == 7);
  CHECK(client_error(R"({"type":"news"})") == R"(unknown type "news")");
  CHECK(client_error(R"({"type":"news","optional":false})") == R"(unknown type "news")");
  CHECK(client_error(R"({"type":"news","optional":null})") == R"(unknown type "news")");
  CHECK(client_error(R"({"type":""})") == R"(unknown type "")");
  CHECK(client_error(R"({"type":"Start","shell":true})") == R"(unknown type "Start")");
}

TEST_CASE("client message: `optional` makes no malformed message of a known type legal") {
  CHECK(
      client_error(R"({"type":"signal","optional":true,"id":"a","signal":"NONE"})").starts_with("signal: "));
}

TEST_CASE("client message: what a server says is none") {
  for (const std::string json :
       {R"({"type":"started","id":"a","pid":1})", R"({"type":"output","id":"a","stream":"stdout","off":0})",
        R"({"type":"exit","id":"a","code":0,"stdout":0,"stderr":0})", R"({"type":"error","error":"x"})",
        R"({"type":"gap","id":"a","stream":"stdout","from":0,"to":1})", R"({"type":"listed","jobs":0})",
        R"({"type":"detached","id":"a","reason":"asked"})", R"({"type":"forgotten","id":"a"})"})
    CHECK(client_error(json).starts_with("unknown type"));
}

TEST_CASE("client message: a wrong value is shown, but not more of it than a little") {
  const std::string long_name(40, 'x');
  CHECK(client_error(R"({"type":")" + long_name + "\"}") == "unknown type \"" + std::string(32, 'x') + "\"");
}

// --- ids ---

TEST_CASE("client message: an id has 1 to 64 bytes, none of them NUL") {
  CHECK(started_with(R"("id":")" + std::string(kMaxIdBytes, 'x') + "\"").id == std::string(kMaxIdBytes, 'x'));
  const std::string kSizes = R"(start: "id" must have 1 to 64 bytes)";
  CHECK(start_error(R"("id":")" + std::string(kMaxIdBytes + 1, 'x') + "\"") == kSizes);
  CHECK(start_error(R"("id":"")") == kSizes);
  CHECK(start_error(R"("id":"a\u0000b")") == R"(start: "id" cannot hold a NUL byte)");
  CHECK(start_error(R"("id":7)") == R"(start: "id" must be a string)");
}

TEST_CASE("client message: every one about a command says which") {
  for (const std::string json :
       {R"({"type":"stdin","off":0})", R"({"type":"signal","signal":"TERM"})",
        R"({"type":"stop","stream":"stdout"})", R"({"type":"credit","stream":"stdout","bytes":1})",
        R"({"type":"attach","stdout":0,"stderr":0})", R"({"type":"detach"})",
        R"({"type":"cancel","id":null})", R"({"type":"forget"})",
        R"({"type":"resize","rows":24,"cols":80})"}) {
    CAPTURE(json);
    CHECK(client_error(json).find(R"("id" is missing)") != std::string::npos);
  }
}

// --- anything at all ---

TEST_CASE("client message: every prefix of a message is refused") {
  Start start;
  start.id = "a";
  start.argc = 1;
  start.cwd = "/\xff";
  const std::string json = to_json(start);
  for (std::size_t size = 0; size < json.size(); ++size)
    CHECK_FALSE(parse_client_message(json.substr(0, size)).ok());
  CHECK_FALSE(parse_client_message({}).ok());
}

TEST_CASE("client message: a header is read from memory that ends right behind it") {
  const std::string json = to_json(Signal{"a", 15});
  const std::unique_ptr<char[]> memory(new char[json.size()]);
  json.copy(memory.get(), json.size());
  CHECK(parse_client_message({memory.get(), json.size()}).ok());
}

TEST_CASE("client message: random changes are refused or understood, and no bound is passed by them") {
  Start start;
  start.id = "a";
  start.argc = 12;
  start.envc = 3;
  start.timeout_ms = 1000;
  start.keep_ms = 1000;
  start.full = Full::drop;
  start.limits.nice = 10;
  start.limits.umask = 022;
  start.pty = PtyWish{{24, 80}, "xterm"};
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
    const auto* read = std::get_if<Start>(&*message);
    if (read == nullptr) continue;
    CHECK(read->id.size() <= kMaxIdBytes);
    CHECK(read->limits.umask.value_or(0) <= 0777);
    CHECK(std::abs(read->limits.nice.value_or(0)) <= 20);
  }
  CHECK(understood > 0);
}
