// What to_json() writes, and that parse_reply_header() reads it back. What it refuses is in proto/vectors.
#include <doctest/doctest.h>

#include <memory>
#include <random>
#include <string>

#include "proto/limits.hpp"
#include "proto/message.hpp"

using namespace runwire;

namespace {

ReplyHeader reply(ExitStatus status, Reason reason) {
  ReplyHeader header;
  header.stdout_bytes = 6;
  header.stderr_bytes = 3;
  header.len = 9;
  header.status = status;
  header.reason = reason;
  return header;
}

ReplyHeader reread(const ReplyHeader& header) {
  const auto parsed = parse_reply_header(to_json(header));
  REQUIRE_MESSAGE(parsed.ok(), parsed.error().message);
  return *parsed;
}

constexpr Reason kReasons[] = {Reason::exited,       Reason::signal,       Reason::timeout,
                               Reason::idle_timeout, Reason::output_limit, Reason::cancelled,
                               Reason::client_gone,  Reason::shutdown};

}  // namespace

TEST_CASE("message: a reply's keys stand in the order that original clients expect, and none is left out") {
  CHECK(
      to_json(reply(ExitStatus::exited(3), Reason::exited)) ==
      R"({"filename":"cls.txt","len":9,"stdout":6,"stderr":3,"code":3,"signal":null,"reason":"exited",)"
      R"("truncated":false,"cut":false,"usage":{"wall_ms":null,"user_ms":null,"sys_ms":null,"max_rss_kb":null}})");
}

TEST_CASE("message: death by signal has a name and no code") {
  const std::string json = to_json(reply(ExitStatus::killed(9), Reason::signal));
  CHECK(json.find(R"("code":null,"signal":"KILL","reason":"signal")") != json.npos);
}

TEST_CASE("message: every code and every signal comes back as it was") {
  for (int code = 0; code < 256; ++code)
    CHECK(reread(reply(ExitStatus::exited(code), Reason::exited)).status == ExitStatus::exited(code));
  for (int signal = 1; signal < 65; ++signal)
    CHECK(reread(reply(ExitStatus::killed(signal), Reason::signal)).status == ExitStatus::killed(signal));
}

TEST_CASE("message: every reason has a name of its own and comes back as it was") {
  for (const Reason reason : kReasons) {
    CHECK(reason_named(name_of(reason)) == reason);
    CHECK(reread(reply(ExitStatus::exited(0), reason)).reason == reason);
  }
  CHECK(name_of(Reason::idle_timeout) == "idle-timeout");
  CHECK_FALSE(reason_named("bored").has_value());
  CHECK_FALSE(reason_named("").has_value());
}

TEST_CASE("message: counts, flags and usage come back as they were") {
  ReplyHeader header = reply(ExitStatus::exited(0), Reason::exited);
  header.stdout_bytes = kMaxPayloadBytes - 1;
  header.stderr_bytes = 1;
  header.len = kMaxPayloadBytes;
  header.truncated = true;
  header.cut = true;
  header.usage = {1234.5, 0.125, 0.0, 1 << 20};
  const ReplyHeader back = reread(header);
  CHECK(back.len == kMaxPayloadBytes);
  CHECK(back.stdout_bytes == kMaxPayloadBytes - 1);
  CHECK(back.stderr_bytes == 1u);
  CHECK(back.truncated);
  CHECK(back.cut);
  CHECK(back.usage.wall_ms == 1234.5);
  CHECK(back.usage.user_ms == 0.125);
  CHECK(back.usage.sys_ms == 0.0);
  CHECK(back.usage.max_rss_kb == 1 << 20);
}

TEST_CASE("message: truncated and cut are two things") {
  ReplyHeader header = reply(ExitStatus::exited(0), Reason::exited);
  header.cut = true;
  CHECK(reread(header).cut);
  CHECK_FALSE(reread(header).truncated);
}

TEST_CASE("message: usage that is not known is not zero") {
  const Usage usage = reread(reply(ExitStatus::exited(0), Reason::exited)).usage;
  CHECK_FALSE(usage.wall_ms.has_value());
  CHECK_FALSE(usage.user_ms.has_value());
  CHECK_FALSE(usage.max_rss_kb.has_value());
}

TEST_CASE("message: an error frame has a length of 0, no status, and its cause") {
  const ErrorReply error{"spawn", "no \"shell\"\n", "exec", "ENOENT", 100};
  CHECK(
      to_json(error) ==
      R"({"filename":"cls.txt","len":0,"code":null,"signal":null,"error":"spawn","message":"no \"shell\"\n",)"
      R"("stage":"exec","errno":"ENOENT","retry_ms":100})");
  ReplyHeader header;
  header.error = error;
  const ReplyHeader back = reread(header);
  CHECK(back.len == 0);
  CHECK_FALSE(back.status.has_value());
  REQUIRE(back.error.has_value());
  CHECK(back.error->message == error.message);
  CHECK(back.error->stage == "exec");
  CHECK(back.error->errno_name == "ENOENT");
  CHECK(back.error->retry_ms == 100);
}

TEST_CASE("message: an error frame leaves out what it does not know") {
  CHECK(to_json(ErrorReply{"limit", "too long", "", "", {}}) ==
        R"({"filename":"cls.txt","len":0,"code":null,"signal":null,"error":"limit","message":"too long"})");
}

TEST_CASE("message: the header of an original server leaves all but filename and len unknown") {
  const auto header = parse_reply_header(R"({"filename":"cls.txt","len":12})");
  REQUIRE(header.ok());
  CHECK(header->len == 12);
  CHECK_FALSE(header->status.has_value());
  CHECK_FALSE(header->reason.has_value());
  CHECK_FALSE(header->stdout_bytes.has_value());
  CHECK_FALSE(header->error.has_value());
  CHECK(header->original);
}

TEST_CASE("message: no header that this protocol writes is taken for an original server's") {
  CHECK_FALSE(reread(reply(ExitStatus::exited(0), Reason::exited)).original);
  CHECK_FALSE(parse_reply_header(to_json(ErrorReply{"limit", "too long", "", "", {}}))->original);
}

TEST_CASE("message: every prefix of a header is refused") {
  const std::string json = to_json(reply(ExitStatus::exited(3), Reason::exited));
  for (std::size_t size = 0; size < json.size(); ++size)
    CHECK_FALSE(parse_reply_header(json.substr(0, size)).ok());
}

TEST_CASE("message: a view without memory behind it is refused") { CHECK_FALSE(parse_reply_header({}).ok()); }

TEST_CASE("message: a header is read from memory that ends right behind it") {
  const std::string json = to_json(reply(ExitStatus::exited(3), Reason::exited));
  const std::unique_ptr<char[]> memory(new char[json.size()]);
  json.copy(memory.get(), json.size());
  CHECK(parse_reply_header({memory.get(), json.size()}).ok());
}

TEST_CASE("message: random changes to a header are refused or understood, and never more than that") {
  const std::string json = to_json(reply(ExitStatus::exited(3), Reason::exited));
  std::mt19937 random(20240229);
  int understood = 0;
  for (int round = 0; round < 5000; ++round) {
    std::string changed = json;
    for (unsigned changes = random() % 4 + 1; changes > 0; --changes) {
      const std::size_t at = random() % changed.size();
      switch (random() % 3) {
        case 0:
          changed[at] = static_cast<char>(random());
          break;
        case 1:
          changed.erase(at, random() % 4);
          break;
        default:
          changed.insert(at, 1, "{}[]\",:0-e\\\xff"[random() % 12]);
          break;
      }
      if (changed.empty()) break;
    }
    const auto header = parse_reply_header(changed);
    if (!header) continue;
    ++understood;
    CHECK(header->len <= kMaxPayloadBytes);
    if (header->status && !header->status->by_signal()) CHECK(header->status->code() <= 255);
  }
  CHECK(understood > 0);
}
