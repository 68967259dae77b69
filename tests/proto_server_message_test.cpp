// What a server of a session says: as to_json() writes it, that the parser reads it back, and what it refuses. More of
// that is in proto/vectors.
#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "proto/server_message.hpp"
#include "tests/message_round_trip.hpp"

using namespace runwire;

namespace {

// A message of this type that has `fields` is refused for `why`.
struct Wrong {
  const char* type;
  const char* fields;
  const char* why;
};

}  // namespace

// --- what is written ---

TEST_CASE("server message: as they stand on the wire") {
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

TEST_CASE("server message: those about kept commands, as they stand on the wire") {
  CHECK(to_json(Started{"a", {}, true, KeptState{1, 2, 3, 4, false}}) ==
        R"({"type":"started","id":"a","pid":null,"existing":true,)"
        R"("kept":{"stdout":1,"stderr":2,"stdin":3,"window":4,"eof":false}})");
  CHECK(to_json(Output{"a", StdStream::out, 5, 6, true}) ==
        R"({"type":"output","id":"a","stream":"stdout","off":5,"replay":true,"len":6})");
  CHECK(to_json(Gap{"a", StdStream::err, 0, 7}) ==
        R"({"type":"gap","id":"a","stream":"stderr","from":0,"to":7})");
  CHECK(to_json(Detached{"a", DetachReason::slow}) == R"({"type":"detached","id":"a","reason":"slow"})");
  CHECK(to_json(Forgotten{"a"}) == R"({"type":"forgotten","id":"a"})");
  CHECK(to_json(Listed{3}) == R"({"type":"listed","jobs":3})");
  JobInfo job;
  job.id = "a";
  CHECK(to_json(job) ==
        R"({"type":"job","id":"a","state":"waiting","pid":null,"command":"","who":"","age_ms":0,)"
        R"("stdout":0,"stderr":0,"clients":0})");
  job = {"a", JobPhase::finished, 7, "ls", "unix", 1, 2, 3, 4, 5, ExitStatus::exited(6), Reason::exited};
  CHECK(to_json(job) ==
        R"({"type":"job","id":"a","state":"finished","pid":7,"command":"ls","who":"unix",)"
        R"("age_ms":1,"stdout":2,"stderr":3,"clients":4,"expires_ms":5,"code":6,"signal":null,)"
        R"("reason":"exited"})");
}

// --- round trips ---

TEST_CASE("server message: a hello comes back as it was; limits that it leaves out are the known ones") {
  const ServerHello back = reread_by_client(ServerHello{"0a", "x \"y\"", {1, 2, 3, 4, 6}, 5});
  CHECK(back.boot == "0a");
  CHECK(back.server == "x \"y\"");
  CHECK(back.limits.header == 1);
  CHECK(back.limits.payload == 2);
  CHECK(back.limits.depth == 3);
  CHECK(back.limits.stdin_window == 4);
  CHECK(back.limits.keep_ms == 6);
  CHECK(back.ping_ms == 5);
  for (const std::string json :
       {R"({"type":"hello","v":1})", R"({"type":"hello","v":1,"limits":{"depth":8}})"}) {
    const auto bare = parse_server_message(json);
    REQUIRE(bare.ok());
    CHECK(std::get<ServerHello>(*bare).limits.stdin_window == kStdinWindowBytes);
    CHECK(std::get<ServerHello>(*bare).limits.keep_ms == kMaxPayloadBytes);
    CHECK(std::get<ServerHello>(*bare).ping_ms == 0);
  }
}

TEST_CASE("server message: the news of a running command comes back as it was") {
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

TEST_CASE("server message: how a kept command stands comes back as it was") {
  const Started started =
      reread_by_client(Started{"a", {}, true, KeptState{kMaxPayloadBytes, 1, 2, 3, true}});
  CHECK_FALSE(started.pid.has_value());
  CHECK(started.existing);
  REQUIRE(started.kept.has_value());
  CHECK(started.kept->stdout_end == kMaxPayloadBytes);
  CHECK(started.kept->stderr_end == 1);
  CHECK(started.kept->stdin_off == 2);
  CHECK(started.kept->stdin_window == 3);
  CHECK(started.kept->stdin_ended);
  CHECK_FALSE(reread_by_client(Started{"a", 1, true, KeptState{0, 0, 0, 0, false}}).kept->stdin_ended);
  CHECK_FALSE(started.kept->has_terminal);
  CHECK(reread_by_client(Started{"a", 1, true, KeptState{0, 0, 0, 0, false, true}}).kept->has_terminal);
  CHECK_FALSE(reread_by_client(Started{"a", 1, true, {}}).kept.has_value());
}

TEST_CASE("server message: what comes from a kept command comes back as it was") {
  CHECK(reread_by_client(Output{"a", StdStream::err, 1, 2, true}).replay);
  CHECK_FALSE(reread_by_client(Output{"a", StdStream::err, 1, 2, false}).replay);
  for (const StdStream stream : {StdStream::out, StdStream::err}) {
    const Gap gap = reread_by_client(Gap{"a", stream, kMaxPayloadBytes - 1, kMaxPayloadBytes});
    CHECK(gap.id == "a");
    CHECK(gap.stream == stream);
    CHECK(gap.from == kMaxPayloadBytes - 1);
    CHECK(gap.to == kMaxPayloadBytes);
  }
  for (const DetachReason reason : {DetachReason::asked, DetachReason::slow})
    CHECK(reread_by_client(Detached{"a", reason}).reason == reason);
  CHECK(reread_by_client(Forgotten{"a"}).id == "a");
  CHECK(reread_by_client(Listed{kMaxPayloadBytes}).jobs == kMaxPayloadBytes);
}

TEST_CASE("server message: a kept command in a list comes back as it was, in each of its states") {
  for (const JobPhase phase : {JobPhase::waiting, JobPhase::running, JobPhase::finished}) {
    JobInfo job;
    job.id = "a";
    job.phase = phase;
    CHECK(reread_by_client(job).phase == phase);
  }
  const JobInfo back = reread_by_client(JobInfo{"a", JobPhase::finished, 7, "ls \"\n\xc3\xa9", "unix:1", 1, 2,
                                                3, 4, 5, ExitStatus::killed(9), Reason::cancelled});
  CHECK(back.id == "a");
  CHECK(back.pid == 7);
  CHECK(back.command == "ls \"\n\xc3\xa9");
  CHECK(back.who == "unix:1");
  CHECK(back.age_ms == 1);
  CHECK(back.stdout_bytes == 2);
  CHECK(back.stderr_bytes == 3);
  CHECK(back.clients == 4);
  CHECK(back.expires_ms == 5u);
  CHECK(back.status == ExitStatus::killed(9));
  CHECK(back.reason == Reason::cancelled);
}

TEST_CASE("server message: what is not yet known of a kept command is neither zero nor success") {
  JobInfo job;
  job.id = "a";
  const JobInfo back = reread_by_client(job);
  CHECK_FALSE(back.pid.has_value());
  CHECK_FALSE(back.expires_ms.has_value());
  CHECK_FALSE(back.status.has_value());
  CHECK_FALSE(back.reason.has_value());
}

TEST_CASE("server message: an exit comes back as it was, with all that it may say") {
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

TEST_CASE("server message: what an exit does not know is neither false nor zero") {
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
    "server message: an exit without the bytes it counts, as in a stream, is legal; wrong sums are not") {
  const std::string exit = R"({"type":"exit","id":"a","code":0,"stdout":5,"stderr":4)";
  CHECK(parse_server_message(exit + "}").ok());
  CHECK(parse_server_message(exit + R"(,"len":9})").ok());
  CHECK(server_error(exit + R"(,"len":8})") == R"(exit: "stdout" and "stderr" do not add up to "len")");
}

TEST_CASE("server message: a reason that is not known is none, and takes nothing from the status") {
  const auto parsed =
      parse_server_message(R"({"type":"exit","id":"a","code":7,"reason":"bored","stdout":0,"stderr":0})");
  REQUIRE(parsed.ok());
  CHECK_FALSE(std::get<Exit>(*parsed).reason.has_value());
  CHECK(std::get<Exit>(*parsed).status == ExitStatus::exited(7));
}

TEST_CASE("server message: an error comes back as it was, about a command and about the session") {
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

// --- what is refused ---

TEST_CASE("server message: what is told of kept commands is whole, and of the right type and range") {
  const Wrong wrong[] = {
      {"started", R"("id":"a","kept":true)", R"("kept" must be an object)"},
      {"started", R"("id":"a","kept":{"stderr":0,"stdin":0,"window":0})",
       R"("kept" is malformed: "stdout" is missing)"},
      {"started", R"("id":"a","kept":{"stdout":0,"stdin":0,"window":0})",
       R"("kept" is malformed: "stderr" is missing)"},
      {"started", R"("id":"a","kept":{"stdout":0,"stderr":0,"window":0})",
       R"("kept" is malformed: "stdin" is missing)"},
      {"started", R"("id":"a","kept":{"stdout":0,"stderr":0,"stdin":0})",
       R"("kept" is malformed: "window" is missing)"},
      {"started", R"("id":"a","kept":{"stdout":-1,"stderr":0,"stdin":0,"window":0})",
       R"("kept" is malformed: "stdout" must be an integer from 0 to 2^53)"},
      {"started", R"("id":"a","kept":{"stdout":0,"stderr":0,"stdin":0,"window":0,"eof":0})",
       R"("kept" is malformed: "eof" must be true or false)"},
      {"started", R"("id":"a","pid":"1")", R"("pid" must be an integer in range)"},
      {"output", R"("id":"a","stream":"stdout","off":0,"replay":1)", R"("replay" must be true or false)"},
      {"gap", R"("id":"a","stream":"stdout","to":1)", R"("from" is missing)"},
      {"gap", R"("id":"a","stream":"stdout","from":0)", R"("to" is missing)"},
      {"gap", R"("id":"a","stream":"stdout","from":5,"to":5)", R"("to" is not behind "from")"},
      {"gap", R"("id":"a","stream":"stdout","from":6,"to":5)", R"("to" is not behind "from")"},
      {"gap", R"("id":"a","stream":"stdout","from":-1,"to":5)",
       R"("from" must be an integer from 0 to 2^53)"},
      {"gap", R"("id":"a","stream":"stdout","from":0,"to":9007199254740993)",
       R"("to" must be an integer from 0 to 2^53)"},
      {"gap", R"("id":"a","stream":"stdin","from":0,"to":1)", R"("stream" cannot be "stdin" here)"},
      {"gap", R"("id":"a","from":0,"to":1)", R"("stream" is missing)"},
      {"detached", R"("id":"a")", R"("reason" is missing)"},
      {"detached", R"("id":"a","reason":"")", R"("reason" cannot be "")"},
      {"detached", R"("id":"a","reason":"bored")", R"("reason" cannot be "bored")"},
      {"detached", R"("id":"a","reason":0)", R"("reason" must be a string)"},
      {"listed", R"("id":"a")", R"("jobs" is missing)"},
      {"listed", R"("jobs":-1)", R"("jobs" must be an integer from 0 to 2^53)"},
      {"listed", R"("jobs":1.0)", R"("jobs" must be an integer in range)"},
  };
  for (const Wrong& each : wrong) {
    const std::string type = each.type;
    CAPTURE(each.fields);
    CHECK(server_error(R"({"type":")" + type + "\"," + each.fields + "}") == type + ": " + each.why);
  }
}

TEST_CASE("server message: a kept command in a list has a state that is known, and all its counts") {
  const std::string counts = R"("age_ms":0,"stdout":0,"stderr":0,"clients":0)";
  const auto error_with = [](const std::string& fields) {
    return server_error(R"({"type":"job","id":"a",)" + fields + "}");
  };
  CHECK(error_with(counts) == R"(job: "state" is missing)");
  CHECK(error_with(R"("state":"asleep",)" + counts) == R"(job: "state" cannot be "asleep")");
  CHECK(error_with(R"("state":1,)" + counts) == R"(job: "state" must be a string)");
  CHECK(error_with(R"("state":"running","expires_ms":-1,)" + counts)
            .starts_with(R"(job: "expires_ms" must be)"));
  CHECK(error_with(R"("state":"running","code":256,)" + counts) == R"(job: "code" must be from 0 to 255)");
  CHECK(error_with(R"("state":"running","code":0,"signal":"KILL",)" + counts) ==
        R"(job: "code" and "signal" exclude each other)");
  for (const std::string missing : {"age_ms", "stdout", "stderr", "clients"}) {
    std::string fewer = R"("state":"running",)" + counts;
    fewer.replace(fewer.find("\"" + missing), 1, "\"no-");
    CHECK(error_with(fewer) == "job: \"" + missing + "\" is missing");
  }
  const auto parsed =
      parse_server_message(R"({"type":"job","id":"a","state":"finished","reason":"bored",)" + counts + "}");
  CHECK_FALSE(reread<JobInfo>(parsed).reason.has_value());
}

// --- what stands behind a header ---

TEST_CASE("server message: only what says `len` has bytes behind it") {
  CHECK(payload_bytes(ServerMessage(Output{"a", StdStream::out, 0, 9})) == 9);
  Exit exit;
  exit.len = 10;
  CHECK(payload_bytes(ServerMessage(exit)) == 10);
  CHECK(payload_bytes(ServerMessage(Optional{11})) == 11);
  CHECK(payload_bytes(ServerMessage(Ping{})) == 0);
  CHECK(payload_bytes(ServerMessage(Gap{"a", StdStream::out, 0, 9})) == 0);
}

TEST_CASE("server message: one that has no payload cannot say that it has") {
  for (const std::string json :
       {R"({"type":"hello","v":1,"len":1})", R"({"type":"ping","len":1})",
        R"({"type":"started","id":"a","pid":1,"len":1})", R"({"type":"error","error":"x","len":1})",
        R"({"type":"stop","id":"a","stream":"stdin","len":1})",
        R"({"type":"credit","id":"a","stream":"stdin","bytes":1,"len":1})",
        R"({"type":"gap","id":"a","stream":"stdout","from":0,"to":1,"len":1})",
        R"({"type":"detached","id":"a","reason":"asked","len":1})",
        R"({"type":"forgotten","id":"a","len":1})",
        R"({"type":"job","id":"a","state":"running","age_ms":0,"stdout":0,"stderr":0,"clients":0,"len":1})",
        R"({"type":"listed","jobs":0,"len":1})"}) {
    CAPTURE(json);
    CHECK(server_error(json).find(R"("len" may be 0 at most here)") != std::string::npos);
  }
}

TEST_CASE("server message: a payload may have any size") {
  CHECK(parse_server_message(R"({"type":"news","optional":true,"len":9007199254740992})").ok());
}

// --- types and ids ---

TEST_CASE("server message: what a client says is none") {
  for (const std::string json :
       {R"({"type":"start","shell":true})", R"({"type":"stdin","id":"a","off":0})",
        R"({"type":"signal","id":"a","signal":"TERM"})", R"({"type":"attach","id":"a"})",
        R"({"type":"list"})", R"({"type":"resize","id":"a","rows":1,"cols":1})", R"({"type":"stats"})"})
    CHECK(server_error(json).starts_with("unknown type"));
}

TEST_CASE("server message: every one about a command says which") {
  for (const std::string json :
       {R"({"type":"started","pid":1})", R"({"type":"output","stream":"stdout","off":0})",
        R"({"type":"exit","code":0,"stdout":0,"stderr":0})", R"({"type":"stop","stream":"stdin"})",
        R"({"type":"credit","stream":"stdin","bytes":1})",
        R"({"type":"gap","stream":"stdout","from":0,"to":1})", R"({"type":"detached","reason":"asked"})",
        R"({"type":"forgotten"})",
        R"({"type":"job","state":"running","age_ms":0,"stdout":0,"stderr":0,"clients":0})"}) {
    CAPTURE(json);
    CHECK(server_error(json).find(R"("id" is missing)") != std::string::npos);
  }
}

TEST_CASE("server message: every prefix of a message is refused") {
  const std::string json = to_json(Started{"a", 1, true, KeptState{}});
  for (std::size_t size = 0; size < json.size(); ++size)
    CHECK_FALSE(parse_server_message(json.substr(0, size)).ok());
}
