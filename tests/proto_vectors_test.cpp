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
#include "proto/session_message.hpp"

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

void append_usage(std::string& text, const Usage& usage) {
  append(text, "wall_ms", usage.wall_ms);
  append(text, "user_ms", usage.user_ms);
  append(text, "sys_ms", usage.sys_ms);
  append(text, "max_rss_kb", usage.max_rss_kb);
}

void append_status(std::string& text, const ExitStatus& status) {
  if (status.by_signal())
    append(text, "signal", signal_name(status.signal()));
  else
    append(text, "code", std::optional(status.code()));
}

// The words of `means` for a reply.
std::string describe(const ReplyHeader& header) {
  std::string text;
  append(text, "filename", header.filename);
  append(text, "len", std::optional(header.len));
  append(text, "stdout", header.stdout_bytes);
  append(text, "stderr", header.stderr_bytes);
  if (header.status) append_status(text, *header.status);
  if (header.reason) append(text, "reason", std::string(name_of(*header.reason)));
  if (header.truncated) text += " truncated";
  if (header.cut) text += " cut";
  append_usage(text, header.usage);
  if (header.error) append_error(text, *header.error);
  if (header.original) text += " original";
  return text.substr(1);
}

void append_stream(std::string& text, StdStream stream) {
  append(text, "stream", std::string(name_of(stream)));
}

void append_size(std::string& text, std::string_view key, std::uint64_t value) {
  append(text, key, std::optional(value));
}

void append_payload(std::string& text, std::uint64_t len) {
  if (len > 0) append_size(text, "len", len);
}

std::string size_of(PtySize size) {
  return " size=" + std::to_string(size.rows) + "x" + std::to_string(size.cols);
}

void append_pty(std::string& text, const PtyWish& pty) {
  text += " pty" + size_of(pty.size);
  append(text, "term", pty.term);
}

void append_limits(std::string& text, const CommandLimits& limits) {
  append(text, "cpu", limits.cpu_s);
  append(text, "as", limits.as_bytes);
  append(text, "nofile", limits.nofile);
  append(text, "nproc", limits.nproc);
  append(text, "fsize", limits.fsize_bytes);
  append(text, "core", limits.core_bytes);
  append(text, "nice", limits.nice);
  append(text, "umask", limits.umask);
}

void append_kept(std::string& text, const KeptState& kept) {
  text += " kept";
  append_size(text, "stdout", kept.stdout_end);
  append_size(text, "stderr", kept.stderr_end);
  append_size(text, "stdin", kept.stdin_off);
  append_size(text, "window", kept.stdin_window);
  if (kept.stdin_ended) text += " eof";
  if (kept.has_terminal) text += " pty";
}

// The words of `means` for each message of a session.
struct Meaning {
  std::string operator()(const ClientHello& hello) const {
    std::string text = "hello";
    append(text, "window", hello.window);
    return text;
  }
  std::string operator()(const Start& start) const {
    std::string text = named("start", start.id);
    if (start.shell) text += " shell";
    if (start.argc > 0) append_size(text, "argc", start.argc);
    if (start.envc > 0) append_size(text, "envc", start.envc);
    if (start.clear_env) text += " clear_env";
    append(text, "cwd", start.cwd);
    if (start.takes_stdin) text += " stdin";
    if (start.reply == ReplyForm::whole) text += " reply=whole";
    if (start.linger != Linger::grace) append(text, "linger", std::string(name_of(start.linger)));
    append(text, "timeout_ms", start.timeout_ms);
    append(text, "idle_ms", start.idle_ms);
    append(text, "keep_ms", start.keep_ms);
    if (start.full != Full::block) append(text, "full", std::string(name_of(start.full)));
    append_limits(text, start.limits);
    if (start.pty) append_pty(text, *start.pty);
    append_payload(text, start.len);
    return text;
  }
  std::string operator()(const StdinBytes& input) const {
    std::string text = named("stdin", input.id);
    append_size(text, "off", input.off);
    if (input.eof) text += " eof";
    append_payload(text, input.len);
    return text;
  }
  std::string operator()(const Signal& signal) const {
    std::string text = named("signal", signal.id);
    append(text, "signal", signal_name(signal.signal));
    return text;
  }
  std::string operator()(const Resize& resize) const {
    return named("resize", resize.id) + size_of(resize.size);
  }
  std::string operator()(const Attach& attach) const {
    std::string text = named("attach", attach.id);
    append(text, "stdout", attach.stdout_off);
    append(text, "stderr", attach.stderr_off);
    if (!attach.wants_output) text += " no-output";
    return text;
  }
  std::string operator()(const Detach& detach) const { return named("detach", detach.id); }
  std::string operator()(const Cancel& cancel) const { return named("cancel", cancel.id); }
  std::string operator()(const Forget& forget) const { return named("forget", forget.id); }
  std::string operator()(const List&) const { return "list"; }
  std::string operator()(const Stop& stop) const {
    std::string text = named("stop", stop.id);
    append_stream(text, stop.stream);
    return text;
  }
  std::string operator()(const Credit& credit) const {
    std::string text = named("credit", credit.id);
    append_stream(text, credit.stream);
    append_size(text, "bytes", credit.bytes);
    return text;
  }
  std::string operator()(const Ping&) const { return "ping"; }
  std::string operator()(const Pong&) const { return "pong"; }
  std::string operator()(const Reserved& reserved) const {
    std::string text = named("later " + reserved.type, reserved.id);
    append_payload(text, reserved.len);
    return text;
  }
  std::string operator()(const Optional& optional) const {
    std::string text = "passed-over";
    append_payload(text, optional.len);
    return text;
  }
  std::string operator()(const ServerHello& hello) const {
    std::string text = "hello";
    append(text, "boot", hello.boot);
    append(text, "server", hello.server);
    append_size(text, "header", hello.limits.header);
    append_size(text, "payload", hello.limits.payload);
    append_size(text, "depth", hello.limits.depth);
    append_size(text, "stdin_window", hello.limits.stdin_window);
    append_size(text, "keep_ms", hello.limits.keep_ms);
    append_size(text, "ping_ms", hello.ping_ms);
    if (hello.upgrades > 0) append_size(text, "upgrades", hello.upgrades);
    if (hello.failed_upgrades > 0) append_size(text, "failed_upgrades", hello.failed_upgrades);
    return text;
  }
  std::string operator()(const Started& started) const {
    std::string text = named("started", started.id);
    append(text, "pid", started.pid);
    if (started.existing) text += " existing";
    if (started.kept) append_kept(text, *started.kept);
    return text;
  }
  std::string operator()(const Output& output) const {
    std::string text = named("output", output.id);
    append_stream(text, output.stream);
    append_size(text, "off", output.off);
    if (output.replay) text += " replay";
    append_payload(text, output.len);
    return text;
  }
  std::string operator()(const Gap& gap) const {
    std::string text = named("gap", gap.id);
    append_stream(text, gap.stream);
    append_size(text, "from", gap.from);
    append_size(text, "to", gap.to);
    return text;
  }
  std::string operator()(const Detached& detached) const {
    std::string text = named("detached", detached.id);
    append(text, "reason", std::string(name_of(detached.reason)));
    return text;
  }
  std::string operator()(const Forgotten& forgotten) const { return named("forgotten", forgotten.id); }
  std::string operator()(const JobInfo& job) const {
    std::string text = named("job", job.id);
    append(text, "state", std::string(name_of(job.phase)));
    append(text, "pid", job.pid);
    append(text, "command", job.command);
    append(text, "who", job.who);
    append_size(text, "age_ms", job.age_ms);
    append_size(text, "stdout", job.stdout_bytes);
    append_size(text, "stderr", job.stderr_bytes);
    append_size(text, "clients", job.clients);
    append(text, "expires_ms", job.expires_ms);
    if (job.status) append_status(text, *job.status);
    if (job.reason) append(text, "reason", std::string(name_of(*job.reason)));
    return text;
  }
  std::string operator()(const Listed& listed) const { return "listed jobs=" + std::to_string(listed.jobs); }
  std::string operator()(const Exit& exit) const {
    std::string text = named("exit", exit.id);
    append_status(text, exit.status);
    append(text, "core", exit.core);
    if (exit.reason) append(text, "reason", std::string(name_of(*exit.reason)));
    append_size(text, "stdout", exit.stdout_bytes);
    append_size(text, "stderr", exit.stderr_bytes);
    if (exit.truncated) text += " truncated";
    if (exit.cut) text += " cut";
    append(text, "survivors", exit.survivors);
    append_usage(text, exit.usage);
    append_payload(text, exit.len);
    return text;
  }
  std::string operator()(const SessionError& error) const {
    std::string text = named("error", error.id);
    append_error(text, error.error);
    return text;
  }

 private:
  static std::string named(std::string type, const std::string& id) {
    append(type, "id", id);
    return type;
  }
};

// Words that are meant as they stand; bytes beyond ASCII are in hex, at the end and behind "= ".
std::string expected_meaning(const std::string& words) {
  const auto hex = words.find("= ");
  return hex == words.npos ? words : words.substr(0, hex + 1) + pieces(words.substr(hex + 2));
}

// What a reader makes of it: its meaning, or why it is refused.
struct Judged {
  std::string meaning, refusal;
};

template <class Message> Judged judge(const Result<Message>& parsed) {
  if (parsed.ok()) return {std::visit(Meaning{}, *parsed), ""};
  CHECK(parsed.error().code == Errc::protocol);
  return {"", parsed.error().message};
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

TEST_CASE("vectors: every message of a session means what it should, or is refused for the right reason") {
  std::string name;
  Judged judged;
  int count = 0;
  for (const auto& [keyword, rest] : read_lines("sessions.txt")) {
    INFO(name);
    if (keyword == "case") name = rest;
    if (keyword == "client") judged = judge(parse_client_message(pieces(rest)));
    if (keyword == "server") judged = judge(parse_server_message(pieces(rest)));
    if (keyword != "means" && keyword != "malformed") continue;
    ++count;
    INFO(judged.refusal);
    CHECK(judged.meaning == (keyword == "means" ? expected_meaning(rest) : ""));
    CHECK(judged.refusal.substr(0, rest.size()) == (keyword == "malformed" ? rest : ""));
    judged = {"no header", "no header"};
  }
  CHECK(count >= 180);
}
