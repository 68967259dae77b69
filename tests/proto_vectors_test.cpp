// Replays proto/vectors/*.txt; PROTOCOL.md, "Test vectors", says how they are written.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/frame_reader.hpp"
#include "proto/message.hpp"
#include "proto/opening.hpp"

using namespace runwire;

namespace {

struct Line {
  std::string keyword, rest;
};

std::vector<Line> read_lines(const std::string& file) {
  std::ifstream stream(RUNWIRE_SOURCE_ROOT "/proto/vectors/" + file);
  REQUIRE(stream.good());
  std::vector<Line> lines;
  for (std::string text; std::getline(stream, text);) {
    if (text.empty() || text[0] == '#') continue;
    const auto blank = std::min(text.find(' '), text.size());
    if (text[0] == '+')
      lines.back().rest += text.substr(1);
    else
      lines.push_back({text.substr(0, blank), text.substr(std::min(blank + 1, text.size()))});
  }
  return lines;
}

// One piece and what follows it: 'text' or hex digits, and perhaps *N.
std::string take_piece(std::string_view& text) {
  std::string piece;
  if (text[0] == '\'') {
    const auto end = text.find('\'', 1);
    REQUIRE(end != text.npos);
    piece = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
  } else {
    REQUIRE(text.size() >= 2);
    piece = static_cast<char>(std::stoi(std::string(text.substr(0, 2)), nullptr, 16));
    text.remove_prefix(2);
  }
  if (!text.starts_with('*')) return piece;
  const auto end = std::min(text.find(' '), text.size());
  std::string repeated;
  for (int i = std::stoi(std::string(text.substr(1, end - 1))); i > 0; --i) repeated += piece;
  text.remove_prefix(end);
  return repeated;
}

std::string pieces(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    if (text[0] == ' ')
      text.remove_prefix(1);
    else
      bytes += take_piece(text);
  }
  return bytes;
}

struct Frame {
  std::string header, payload;
  bool operator==(const Frame&) const = default;
};

struct FrameCase {
  std::string name, bytes, end;
  std::vector<Frame> frames;
};

std::vector<FrameCase> read_frame_cases() {
  std::vector<FrameCase> cases;
  for (const auto& [keyword, rest] : read_lines("frames.txt")) {
    if (keyword == "case") cases.push_back({rest, "", "", {}});
    REQUIRE(!cases.empty());
    FrameCase& now = cases.back();
    if (keyword == "bytes") now.bytes = pieces(rest);
    if (keyword == "end") now.end = rest;
    if (keyword == "header") now.frames.push_back({pieces(rest), ""});
    if (keyword == "payload") now.frames.back().payload = pieces(rest);
  }
  return cases;
}

// What a client makes of a stream that comes in pieces of `step` bytes.
struct Heard {
  std::vector<Frame> frames;
  std::string end;
};

Heard hear(const std::string& stream, std::size_t step) {
  FrameReader reader;
  Heard heard;
  for (std::size_t at = 0; at < stream.size(); at += step) {
    reader.feed(std::string_view(stream).substr(at, step));
    for (bool more = true; more;) {
      const Piece piece = reader.next();
      if (piece.kind == Piece::broken) return heard.end = "broken", heard;
      if (piece.kind == Piece::header) {
        heard.frames.push_back({std::string(piece.bytes), ""});
        const auto header = parse_reply_header(piece.bytes);
        if (!header) return heard.end = "malformed", heard;
        reader.expect_payload(header->len);
      }
      if (piece.kind == Piece::payload) heard.frames.back().payload += piece.bytes;
      more = piece.kind != Piece::need_more;
    }
  }
  heard.end = reader.at_boundary() ? "whole" : "short";
  return heard;
}

template <class T> void append(std::string& text, std::string_view key, const std::optional<T>& value) {
  if (value) text += " " + std::string(key) + "=" + std::to_string(*value);
}

void append(std::string& text, std::string_view key, const std::string& value) {
  if (!value.empty()) text += " " + std::string(key) + "=" + value;
}

void append(std::string& text, std::string_view key, const std::optional<double>& value) {
  char digits[32];
  if (value) std::snprintf(digits, sizeof digits, "%.3f", *value), append(text, key, std::string(digits));
}

void append_error(std::string& text, const ErrorReply& error) {
  append(text, "error", error.error);
  append(text, "stage", error.stage);
  append(text, "errno", error.errno_name);
  append(text, "retry_ms", error.retry_ms);
}

// The words of `means`.
std::string describe(const ReplyHeader& header) {
  std::string text;
  append(text, "filename", header.filename);
  append(text, "len", std::optional(header.len));
  append(text, "stdout", header.stdout_bytes);
  append(text, "stderr", header.stderr_bytes);
  if (header.status && header.status->by_signal())
    append(text, "signal", signal_name(header.status->signal()));
  else if (header.status)
    append(text, "code", std::optional(header.status->code()));
  if (header.reason) append(text, "reason", std::string(name_of(*header.reason)));
  if (header.truncated) text += " truncated";
  if (header.cut) text += " cut";
  append(text, "wall_ms", header.usage.wall_ms);
  append(text, "user_ms", header.usage.user_ms);
  append(text, "sys_ms", header.usage.sys_ms);
  append(text, "max_rss_kb", header.usage.max_rss_kb);
  if (header.error) append_error(text, *header.error);
  if (header.original) text += " original";
  return text.substr(1);
}

// Words that are meant as they stand, but for bytes beyond ASCII in hex behind an "error=".
std::string expected_meaning(const std::string& words) {
  const auto hex = words.find("error= ");
  return hex == words.npos ? words : words.substr(0, hex + 6) + pieces(words.substr(hex + 7));
}

Opening opening_named(const std::string& name) {
  const std::pair<const char*, Opening> kNames[] = {
      {"plain", Opening::plain}, {"undecided", Opening::undecided}, {"session", Opening::session},
      {"tls", Opening::tls},     {"http", Opening::http},           {"ssh", Opening::ssh}};
  for (const auto& [known, opening] : kNames)
    if (name == known) return opening;
  FAIL("no such verdict: " << name);
  return Opening::plain;
}

}  // namespace

TEST_CASE("vectors: every stream gives its frames and its end, whole and in pieces of any size up to 9") {
  const auto cases = read_frame_cases();
  CHECK(cases.size() >= 25);
  for (const FrameCase& each : cases) {
    INFO(each.name);
    std::vector<std::size_t> steps = {1, 2, 3, 4, 5, 6, 7, 8, 9, 65536, each.bytes.size() + 1};
    for (const std::size_t step : steps) {
      INFO("in pieces of ", step);
      const Heard heard = hear(each.bytes, step);
      CHECK(heard.end == each.end);
      CHECK(heard.frames == each.frames);
    }
  }
}

TEST_CASE("vectors: every header means what it should, or is refused for the right reason") {
  std::string name, bytes;
  int judged = 0;
  for (const auto& [keyword, rest] : read_lines("headers.txt")) {
    INFO(name);
    if (keyword == "case") name = rest, bytes.clear();
    if (keyword == "bytes") bytes = pieces(rest);
    if (keyword != "means" && keyword != "malformed") continue;
    ++judged;
    const auto header = parse_reply_header(bytes);
    if (keyword == "means") {
      REQUIRE_MESSAGE(header.ok(), header.error().message);
      CHECK(describe(*header) == expected_meaning(rest));
    } else {
      REQUIRE(!header.ok());
      CHECK(header.error().code == Errc::protocol);
      CHECK_MESSAGE(header.error().message.find(rest) != std::string::npos, header.error().message);
    }
  }
  CHECK(judged >= 90);
}

TEST_CASE("vectors: every opening is judged as it should be") {
  const auto lines = read_lines("openings.txt");
  CHECK(lines.size() >= 90);
  for (const Line& line : lines) {
    INFO(line.rest);
    CHECK(judge_opening(pieces(line.rest)) == opening_named(line.keyword));
  }
}
