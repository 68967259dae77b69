#include "proto/client_message.hpp"

#include <utility>

#include "proto/exit_status.hpp"
#include "proto/message_fields.hpp"

namespace runwire {
namespace {

int read_signal(JsonFields& fields) {
  const auto name = fields.text("signal");
  if (!name) fields.fail("signal", "is missing");
  const int number = name ? signal_number(*name) : 0;
  if (name && number == 0) fields.fail("signal", "names no signal that is known here: " + shown_value(*name));
  return number;
}

ClientHello read_client_hello(JsonFields& fields) {
  if (fields.number("v").value_or(0) != kSessionVersion)
    fields.fail("v", "must be " + std::to_string(kSessionVersion) + ", the version spoken here");
  payload_of(fields, 0);
  return {fields.size("window")};
}

void read_what_to_run(JsonFields& fields, Start& start) {
  start.shell = fields.flag("shell");
  start.argc = fields.size("argc").value_or(0);
  start.envc = fields.size("envc").value_or(0);
  if (start.shell == (start.argc > 0))
    fields.fail("argc", "or a true \"shell\" says what the payload is: one of them");
  start.clear_env = fields.flag("clear_env");
  start.cwd = read_bytes(fields, "cwd");
}

void read_how_to_answer(JsonFields& fields, Start& start) {
  const std::string_view reply = fields.text("reply").value_or("stream");
  if (reply != "stream" && reply != "whole") fields.fail("reply", "cannot be " + shown_value(reply));
  start.reply = reply == "whole" ? ReplyForm::whole : ReplyForm::stream;
  const std::string_view linger = fields.text("linger").value_or(name_of(Linger::grace));
  if (!linger_named(linger)) fields.fail("linger", "cannot be " + shown_value(linger));
  start.linger = linger_named(linger).value_or(Linger::grace);
  start.timeout_ms = fields.size("timeout_ms");
  start.idle_ms = fields.size("idle_ms");
}

std::optional<std::uint32_t> read_small(JsonFields& fields, std::string_view key, std::uint64_t most) {
  const auto value = fields.size(key);
  if (value.value_or(0) > most) fields.fail(key, "may be " + std::to_string(most) + " at most");
  if (!value || *value > most) return std::nullopt;
  return static_cast<std::uint32_t>(*value);
}

CommandLimits read_limits(JsonFields& fields) {
  CommandLimits limits;
  auto inner = fields.object("limits");
  if (!inner) return limits;
  limits.cpu_s = inner->size("cpu");
  limits.as_bytes = inner->size("as");
  limits.nofile = inner->size("nofile");
  limits.nproc = inner->size("nproc");
  limits.fsize_bytes = inner->size("fsize");
  limits.core_bytes = inner->size("core");
  limits.nice = inner->number("nice");
  if (limits.nice && (*limits.nice < -20 || *limits.nice > 19)) inner->fail("nice", "must be from -20 to 19");
  limits.umask = read_small(*inner, "umask", 0777);
  if (!inner->failure().empty()) fields.fail("limits", "are malformed: " + inner->failure());
  return limits;
}

PtySize read_size(JsonFields& fields) {
  const auto rows = read_small(fields, "rows", UINT16_MAX);
  const auto cols = read_small(fields, "cols", UINT16_MAX);
  return {static_cast<std::uint16_t>(rows.value_or(PtySize{}.rows)),
          static_cast<std::uint16_t>(cols.value_or(PtySize{}.cols))};
}

std::optional<PtyWish> read_pty(JsonFields& fields) {
  auto inner = fields.object("pty");
  if (!inner) return std::nullopt;
  PtyWish wish{read_size(*inner), text_or_empty(*inner, "term")};
  if (wish.term.find('\0') != wish.term.npos) inner->fail("term", "cannot hold a NUL byte");
  if (!inner->failure().empty()) fields.fail("pty", "is malformed: " + inner->failure());
  return wish;
}

void read_how_long_to_keep(JsonFields& fields, Start& start) {
  start.keep_ms = fields.size("keep_ms");
  const std::string_view full = fields.text("full").value_or(name_of(Full::block));
  if (!full_named(full)) fields.fail("full", "cannot be " + shown_value(full));
  start.full = full_named(full).value_or(Full::block);
  const bool is_recorded = start.keep_ms || start.full != Full::block;
  if (is_recorded && start.reply == ReplyForm::whole)
    fields.fail("reply",
                "cannot be \"whole\" for a command that is kept or whose output may be spilled or dropped");
}

Start read_start(JsonFields& fields) {
  Start start;
  start.id = optional_id(fields);
  read_what_to_run(fields, start);
  start.takes_stdin = fields.flag("stdin");
  read_how_to_answer(fields, start);
  read_how_long_to_keep(fields, start);
  start.limits = read_limits(fields);
  start.pty = read_pty(fields);
  start.len = payload_of(fields);
  return start;
}

StdinBytes read_stdin(JsonFields& fields) {
  const auto off = fields.size("off");
  if (!off) fields.fail("off", "is missing");
  return {needed_id(fields), off.value_or(0), fields.flag("eof"), payload_of(fields)};
}

Signal read_signal_message(JsonFields& fields) {
  payload_of(fields, 0);
  return {needed_id(fields), read_signal(fields)};
}

Resize read_resize(JsonFields& fields) {
  payload_of(fields, 0);
  for (const std::string_view key : {"rows", "cols"})
    if (!fields.is_set(key)) fields.fail(key, "is missing");
  return {needed_id(fields), read_size(fields)};
}

Attach read_attach(JsonFields& fields) {
  payload_of(fields, 0);
  return {needed_id(fields), fields.size("stdout"), fields.size("stderr"),
          fields.boolean("output").value_or(true)};
}

Result<ClientMessage> read_client_message(JsonFields& fields, std::string_view type) {
  if (type == "stdin") return ClientMessage(read_stdin(fields));
  if (type == "start") return ClientMessage(read_start(fields));
  if (type == "credit") return ClientMessage(read_credit(fields, kOutputs));
  if (type == "signal") return ClientMessage(read_signal_message(fields));
  if (type == "stop") return ClientMessage(read_stop(fields, kOutputs));
  if (type == "attach") return ClientMessage(read_attach(fields));
  if (type == "detach") return ClientMessage(read_id_only<Detach>(fields));
  if (type == "cancel") return ClientMessage(read_id_only<Cancel>(fields));
  if (type == "forget") return ClientMessage(read_id_only<Forget>(fields));
  if (type == "list") return ClientMessage(read_bare<List>(fields));
  if (type == "resize") return ClientMessage(read_resize(fields));
  if (type == "ping") return ClientMessage(read_bare<Ping>(fields));
  if (type == "pong") return ClientMessage(read_bare<Pong>(fields));
  if (type == "hello") return ClientMessage(read_client_hello(fields));
  if (type == "stats")
    return ClientMessage(Reserved{std::string(type), optional_id(fields), payload_of(fields)});
  return read_unknown<ClientMessage>(fields, type, kMaxSessionPayloadBytes);
}

void write_limits(JsonWriter& json, const CommandLimits& limits) {
  const std::pair<std::string_view, std::optional<std::uint64_t>> sizes[] = {
      {"cpu", limits.cpu_s},   {"as", limits.as_bytes},       {"nofile", limits.nofile},
      {"nproc", limits.nproc}, {"fsize", limits.fsize_bytes}, {"core", limits.core_bytes},
      {"umask", limits.umask},
  };
  json.begin_object("limits");
  for (const auto& [key, value] : sizes)
    if (value) write_size(json, key, *value);
  if (limits.nice) json.number("nice", *limits.nice);
  json.end_object();
}

void write_pty(JsonWriter& json, const PtyWish& pty) {
  json.begin_object("pty").number("rows", pty.size.rows).number("cols", pty.size.cols);
  if (!pty.term.empty()) json.text("term", pty.term);
  json.end_object();
}

}  // namespace

std::string to_json(const ClientHello& message) {
  JsonWriter json = begin_message("hello");
  json.number("v", kSessionVersion);
  if (message.window) write_size(json, "window", *message.window);
  return std::move(json).finish();
}

std::string to_json(const Start& message) {
  JsonWriter json = begin_message("start", message.id);
  write_true(json, "shell", message.shell);
  if (!message.shell) write_size(json, "argc", message.argc);
  if (message.envc > 0) write_size(json, "envc", message.envc);
  write_true(json, "clear_env", message.clear_env);
  if (!message.cwd.empty()) write_bytes(json, "cwd", message.cwd);
  write_true(json, "stdin", message.takes_stdin);
  if (message.reply == ReplyForm::whole) json.text("reply", "whole");
  if (message.linger != Linger::grace) json.text("linger", name_of(message.linger));
  if (message.timeout_ms) write_size(json, "timeout_ms", *message.timeout_ms);
  if (message.idle_ms) write_size(json, "idle_ms", *message.idle_ms);
  if (message.keep_ms) write_size(json, "keep_ms", *message.keep_ms);
  if (message.full != Full::block) json.text("full", name_of(message.full));
  if (message.limits != CommandLimits{}) write_limits(json, message.limits);
  if (message.pty) write_pty(json, *message.pty);
  write_size(json, "len", message.len);
  return std::move(json).finish();
}

std::string to_json(const StdinBytes& message) {
  JsonWriter json = begin_message("stdin", message.id);
  write_size(json, "off", message.off);
  write_true(json, "eof", message.eof);
  if (message.len > 0) write_size(json, "len", message.len);
  return std::move(json).finish();
}

std::string to_json(const Signal& message) {
  JsonWriter json = begin_message("signal", message.id);
  return std::move(json.text("signal", signal_name(message.signal))).finish();
}

std::string to_json(const Resize& message) {
  JsonWriter json = begin_message("resize", message.id);
  return std::move(json.number("rows", message.size.rows).number("cols", message.size.cols)).finish();
}

std::string to_json(const Attach& message) {
  JsonWriter json = begin_message("attach", message.id);
  if (message.stdout_off) write_size(json, "stdout", *message.stdout_off);
  if (message.stderr_off) write_size(json, "stderr", *message.stderr_off);
  if (!message.wants_output) json.boolean("output", false);
  return std::move(json).finish();
}

std::string to_json(const Detach& message) { return begin_message("detach", message.id).finish(); }
std::string to_json(const Cancel& message) { return begin_message("cancel", message.id).finish(); }
std::string to_json(const Forget& message) { return begin_message("forget", message.id).finish(); }
std::string to_json(const List&) { return begin_message("list").finish(); }

Result<ClientMessage> parse_client_message(std::string_view json) {
  return parse_message<ClientMessage>(json, read_client_message);
}

std::uint64_t payload_bytes(const ClientMessage& message) {
  if (const auto* start = std::get_if<Start>(&message)) return start->len;
  if (const auto* bytes = std::get_if<StdinBytes>(&message)) return bytes->len;
  if (const auto* reserved = std::get_if<Reserved>(&message)) return reserved->len;
  if (const auto* optional = std::get_if<Optional>(&message)) return optional->len;
  return 0;
}

}  // namespace runwire
