#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "client/plain_exchange.hpp"
#include "proto/frame.hpp"
#include "tests/scripted_peer.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

struct Heard {
  Result<ReplyHeader> header;
  std::string json, out, err;
};

ReplySinks sinks_into(Heard& heard) {
  ReplySinks sinks;
  sinks.header = [&](std::string_view json) { heard.json = json; };
  sinks.out = [&](std::string_view bytes) { return heard.out += bytes, Status(Ok{}); };
  sinks.err = [&](std::string_view bytes) { return heard.err += bytes, Status(Ok{}); };
  return sinks;
}

// What a client makes of a server that sends `reply` and then nothing more.
Heard hear(std::string_view reply) {
  Pair pair;
  pair.peer_sends(reply);
  pair.peer_ends();
  Heard heard = {Error{Errc::io, ""}, "", "", ""};
  heard.header = run_plain(pair.client, "true", sinks_into(heard));
  return heard;
}

Error error_for(std::string_view reply) {
  const Heard heard = hear(reply);
  REQUIRE(!heard.header.ok());
  return heard.header.error();
}

std::string frame(std::string_view json, std::string_view payload) {
  return frame_head(json) + std::string(payload);
}

std::string with_length(std::uint32_t length) {
  const LengthField field = encode_length(length);
  return std::string(field.begin(), field.end()) + "{}";
}

bool says(const Error& error, std::string_view what) { return error.message.find(what) != std::string::npos; }

const char* const kHeader =
    R"({"filename":"cls.txt","len":7,"stdout":4,"stderr":3,"code":3,"signal":null,"reason":"exited"})";

}  // namespace

TEST_CASE("exchange: the command goes out as it is, without a frame or a newline") {
  Pair pair;
  pair.peer_ends();
  Heard heard = {Error{Errc::io, ""}, "", "", ""};
  heard.header = run_plain(pair.client, "printf '\xc4\xe3\n'", sinks_into(heard));
  CHECK(pair.peer_reads(64) == "printf '\xc4\xe3\n'");
}

TEST_CASE("exchange: the payload is split into stdout and stderr by the header's counts") {
  const Heard heard = hear(frame(kHeader, "out\nerr"));
  REQUIRE(heard.header.ok());
  CHECK(heard.out == "out\n");
  CHECK(heard.err == "err");
  CHECK(heard.header->status == ExitStatus::exited(3));
  CHECK(heard.json == kHeader);
}

TEST_CASE("exchange: from a server that tells no counts everything is stdout") {
  const Heard heard = hear(frame(R"({"filename": "cls.txt", "len": 7})", "out\nerr"));
  REQUIRE(heard.header.ok());
  CHECK(heard.out == "out\nerr");
  CHECK(heard.header->original);
}

TEST_CASE("exchange: an empty output calls no sink") {
  const Heard heard =
      hear(frame(R"({"len":0,"stdout":0,"stderr":0,"code":0,"signal":null,"reason":"exited"})", ""));
  REQUIRE(heard.header.ok());
  CHECK(heard.header->status == ExitStatus::exited(0));
  CHECK(heard.out + heard.err == "");
}

TEST_CASE("exchange: an error frame is a reply") {
  const Heard heard = hear(frame(to_json(ErrorReply{"busy", "full", "", "", 200}), ""));
  REQUIRE(heard.header.ok());
  CHECK(heard.header->error->error == "busy");
}

TEST_CASE("exchange: a reply cut at any byte is an error and never a status") {
  const std::string reply = frame(kHeader, "out\nerr");
  for (std::size_t cut = 0; cut < reply.size(); ++cut) {
    CAPTURE(cut);
    const Error error = error_for(std::string_view(reply).substr(0, cut));
    CHECK(error.code == Errc::closed);
    CHECK(says(error, "the server closed the connection"));
    CHECK(says(error, "what became of the command is unknown"));
  }
}

TEST_CASE("exchange: the message says how far the reply had come") {
  const std::string reply = frame(kHeader, "out\nerr");
  const std::size_t head = reply.size() - 7;
  CHECK(says(error_for(""), "no reply: "));
  CHECK(says(error_for(reply.substr(0, 3)), "inside its header, after 3 bytes: "));
  CHECK(says(error_for(reply.substr(0, head - 1)), "inside its header, after"));
  CHECK(says(error_for(reply.substr(0, head)), "ends after 0 of 7 bytes of output: "));
  CHECK(says(error_for(reply.substr(0, head + 6)), "ends after 6 of 7 bytes of output: "));
}

TEST_CASE("exchange: a header length outside 2..65535 names the limit") {
  for (const std::uint32_t length : {0U, 1U, 65536U, 0x7fffffffU, 0x80000000U, 0xffffffffU}) {
    CAPTURE(length);
    const Error error = error_for(with_length(length));
    CHECK(error.code == Errc::protocol);
    CHECK(says(error, "header length " + std::to_string(length) + " is outside 2..65535; is it a runwired"));
  }
}

TEST_CASE("exchange: another kind of server is recognized as none of ours") {
  CHECK(says(error_for("HTTP/1.1 400 Bad Request\r\n\r\n"), "is it a runwired that listens there?"));
  CHECK(says(error_for("SSH-2.0-OpenSSH_9.2\r\n"), "is it a runwired that listens there?"));
}

TEST_CASE("exchange: a header that is no JSON object is a protocol error") {
  for (const char* json : {"xx", "[]", "{\"len\":1", "{\"len\":1}x", "\"len\"", "{\"len\":\xff}", "null"}) {
    CAPTURE(json);
    CHECK(error_for(frame(json, "")).code == Errc::protocol);
  }
}

TEST_CASE("exchange: a `len` that is no size is a protocol error that names it") {
  for (const char* len :
       {"-1", "1.5", "\"5\"", "null", "18446744073709551616", "9007199254740993", "true", "[5]"}) {
    CAPTURE(len);
    const Error error = error_for(frame("{\"filename\":\"f\",\"len\":" + std::string(len) + "}", "12345"));
    CHECK(error.code == Errc::protocol);
    CHECK(says(error, std::string(len) == "18446744073709551616" ? "JSON" : "\"len\""));
  }
  CHECK(says(error_for(frame(R"({"filename":"f"})", "")), "\"len\" is missing"));
  CHECK(says(error_for(frame(R"({"len":1,"len":2})", "12")), "a key stands twice"));
}

TEST_CASE("exchange: counts that do not add up to `len` are a protocol error") {
  CHECK(error_for(frame(R"({"len":5,"stdout":3,"stderr":3,"code":0})", "12345")).code == Errc::protocol);
  CHECK(error_for(frame(R"({"len":5,"stdout":9007199254740992,"stderr":9007199254740992,"code":0})", "12345"))
            .code == Errc::protocol);
}

TEST_CASE("exchange: a reply with counts and without a status is no success") {
  CHECK(says(error_for(frame(R"({"len":0,"stdout":0,"stderr":0})", "")), "the reply has no exit status"));
  CHECK(says(error_for(frame(R"({"len":0,"reason":"exited","code":null})", "")),
             "the reply has no exit status"));
  CHECK(says(error_for(frame(R"({"len":0,"code":null,"signal":null})", "")), "the reply has no exit status"));
}

TEST_CASE("exchange: an error frame that carries output is a protocol error") {
  CHECK(error_for(frame(R"({"len":5,"error":"busy"})", "12345")).code == Errc::protocol);
}

TEST_CASE("exchange: two replies to one command are an error, because the server has cut it") {
  CHECK(says(error_for(frame(kHeader, "out\nerr") + frame(kHeader, "out\nerr")), "answered more than once"));
  CHECK(says(error_for(frame(kHeader, "out\nerr") + "x"), "answered more than once"));
}

TEST_CASE("exchange: an answer before the end of the command counts only if it is an error") {
  const std::string longer_than_all_buffers(64 << 20, 'x');
  for (const bool refuses : {false, true}) {
    CAPTURE(refuses);
    Pair pair;
    pair.peer_sends(refuses ? frame(to_json(ErrorReply{"limit", "too long", "", "", {}}), "")
                            : frame(kHeader, "out\nerr"));
    Heard heard = {Error{Errc::io, ""}, "", "", ""};
    heard.header = run_plain(pair.client, longer_than_all_buffers, sinks_into(heard));
    CHECK(heard.header.ok() == refuses);
    if (!refuses) CHECK(says(heard.header.error(), "answered before it had the whole command"));
  }
}

TEST_CASE("exchange: a sink that fails ends it with the sink's error") {
  Pair pair;
  pair.peer_sends(frame(kHeader, "out\nerr"));
  Heard heard = {Error{Errc::io, ""}, "", "", ""};
  ReplySinks sinks = sinks_into(heard);
  sinks.out = [](std::string_view) -> Status { return Error{Errc::io, "stdout: full"}; };
  const auto header = run_plain(pair.client, "true", sinks);
  REQUIRE(!header.ok());
  CHECK(header.error().message == "stdout: full");
}
