#include <doctest/doctest.h>

#include <csignal>
#include <string>

#include "bench/reply_check.hpp"
#include "proto/message.hpp"

using namespace runwire;

namespace {

std::string header(std::uint64_t len, ExitStatus status = ExitStatus::exited(0)) {
  ReplyHeader reply;
  reply.len = len;
  reply.stdout_bytes = len;
  reply.stderr_bytes = 0;
  reply.status = status;
  reply.reason = status.by_signal() ? Reason::signal : Reason::exited;
  return to_json(reply);
}

std::string error_header(std::string_view name) {
  ErrorReply error;
  error.error = name;
  error.message = "why";
  return to_json(error);
}

const Expectation kHello{"hello\n", ExitStatus::exited(0)};

// The failure of a whole reply, its payload given byte by byte or in one piece.
std::optional<Failure> judge(ReplyCheck& check, const std::string& json, std::string_view payload,
                             std::size_t piece_size) {
  REQUIRE(check.begin(json).ok());
  for (std::size_t at = 0; at < payload.size(); at += piece_size)
    check.payload(payload.substr(at, piece_size));
  return check.failure();
}

}  // namespace

TEST_CASE("reply check: the expected reply is right, however its payload is cut") {
  ReplyCheck check(kHello);
  for (const std::size_t piece : {1U, 2U, 5U, 6U})
    CHECK(judge(check, header(6), "hello\n", piece) == std::nullopt);
}

TEST_CASE("reply check: one wrong byte anywhere is found, named with its place") {
  ReplyCheck check(kHello);
  for (std::size_t at = 0; at < 6; ++at)
    for (const std::size_t piece : {1U, 4U, 6U}) {
      CAPTURE(at);
      std::string payload = "hello\n";
      payload[at] = '\xff';
      CHECK(judge(check, header(6), payload, piece) == Failure::bytes);
      CHECK(check.why().find("byte " + std::to_string(at) + " of the payload is 0xff") == 0);
    }
}

TEST_CASE("reply check: a payload of another length is wrong, be it shorter or longer") {
  ReplyCheck check(kHello);
  CHECK(judge(check, header(5), "hello", 5) == Failure::bytes);
  CHECK(judge(check, header(7), "hello\n\n", 7) == Failure::bytes);
  CHECK(check.why() == "7 bytes of payload instead of 6");
}

TEST_CASE("reply check: another exit status is wrong even with the right bytes") {
  ReplyCheck check(kHello);
  CHECK(judge(check, header(6, ExitStatus::exited(1)), "hello\n", 6) == Failure::status);
  CHECK(check.why() == "exit code 1 instead of exit code 0");
  CHECK(judge(check, header(6, ExitStatus::killed(SIGKILL)), "hello\n", 6) == Failure::status);
  CHECK(check.why() == "killed by KILL instead of exit code 0");
}

TEST_CASE("reply check: of an original server, which tells no status, the bytes are compared") {
  const Expectation original{"hello\n", std::nullopt};
  ReplyCheck check(original);
  const std::string json = R"({"filename": "cls.txt", "len": 6})";
  CHECK(judge(check, json, "hello\n", 6) == std::nullopt);
  CHECK(judge(check, json, "hellO\n", 6) == Failure::bytes);
}

TEST_CASE("reply check: a missing status is wrong where one is expected") {
  ReplyCheck check(kHello);
  CHECK(judge(check, R"({"filename":"cls.txt","len":6})", "hello\n", 6) == Failure::status);
}

TEST_CASE("reply check: an error frame is counted by what it says") {
  ReplyCheck check(kHello);
  CHECK(judge(check, error_header("busy"), "", 1) == Failure::busy);
  CHECK(judge(check, error_header("spawn"), "", 1) == Failure::server_error);
  CHECK(check.why() == "spawn: why");
}

TEST_CASE("reply check: a wrong reply says nothing about the next one") {
  ReplyCheck check(kHello);
  CHECK(judge(check, header(6), "hellO\n", 6) == Failure::bytes);
  CHECK(judge(check, header(6), "hello\n", 6) == std::nullopt);
}

TEST_CASE("reply check: a header that is no header ends the conversation") {
  ReplyCheck check(kHello);
  for (const char* json : {"[]", "{}", R"({"len":-1})", R"({"len":6,"len":6})", "hello!"}) {
    CAPTURE(json);
    const auto begun = check.begin(json);
    REQUIRE_FALSE(begun.ok());
    CHECK(begun.error().code == Errc::protocol);
  }
}
