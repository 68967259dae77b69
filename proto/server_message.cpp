#include "proto/server_message.hpp"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

#include "proto/message_fields.hpp"

namespace runwire {
namespace {

constexpr std::string_view kDetachReasonNames[] = {"asked", "slow"};
constexpr std::string_view kPhaseNames[] = {"waiting", "running", "finished"};

ServerHello read_server_hello(JsonFields& fields) {
  if (fields.number("v").value_or(0) != kSessionVersion) fields.fail("v", "is a version not spoken here");
  payload_of(fields, 0);
  ServerHello hello;
  hello.boot = text_or_empty(fields, "boot");
  hello.server = text_or_empty(fields, "server");
  hello.ping_ms = fields.size("ping_ms").value_or(0);
  hello.upgrades = fields.size("upgrades").value_or(0);
  hello.failed_upgrades = fields.size("failed_upgrades").value_or(0);
  auto limits = fields.object("limits");
  if (!limits) return hello;
  hello.limits.header = limits->size("header").value_or(hello.limits.header);
  hello.limits.payload = limits->size("payload").value_or(hello.limits.payload);
  hello.limits.depth = limits->size("depth").value_or(hello.limits.depth);
  hello.limits.stdin_window = limits->size("stdin_window").value_or(hello.limits.stdin_window);
  hello.limits.keep_ms = limits->size("keep_ms").value_or(hello.limits.keep_ms);
  if (!limits->failure().empty()) fields.fail("limits", "is malformed: " + limits->failure());
  return hello;
}

std::optional<KeptState> read_kept(JsonFields& fields) {
  auto inner = fields.object("kept");
  if (!inner) return std::nullopt;
  KeptState kept{needed_size(*inner, "stdout"),
                 needed_size(*inner, "stderr"),
                 needed_size(*inner, "stdin"),
                 needed_size(*inner, "window"),
                 inner->flag("eof"),
                 inner->flag("pty")};
  if (!inner->failure().empty()) fields.fail("kept", "is malformed: " + inner->failure());
  return kept;
}

Started read_started(JsonFields& fields) {
  payload_of(fields, 0);
  return {needed_id(fields), fields.number("pid"), fields.flag("existing"), read_kept(fields)};
}

Output read_output(JsonFields& fields) {
  const auto off = fields.size("off");
  if (!off) fields.fail("off", "is missing");
  return {needed_id(fields), read_stream(fields, kOutputs), off.value_or(0),
          payload_of(fields, kMaxPayloadBytes), fields.flag("replay")};
}

Gap read_gap(JsonFields& fields) {
  payload_of(fields, 0);
  Gap gap{needed_id(fields), read_stream(fields, kOutputs), needed_size(fields, "from"),
          needed_size(fields, "to")};
  if (gap.to <= gap.from) fields.fail("to", "is not behind \"from\"");
  return gap;
}

template <class Enum, std::size_t N>
std::optional<Enum> read_named(JsonFields& fields, std::string_view key, const std::string_view (&names)[N]) {
  const auto name = fields.text(key);
  const auto* found = std::find(std::begin(names), std::end(names), name.value_or(""));
  if (found != std::end(names)) return static_cast<Enum>(found - std::begin(names));
  fields.fail(key, name ? "cannot be " + shown_value(*name) : "is missing");
  return std::nullopt;
}

Detached read_detached(JsonFields& fields) {
  payload_of(fields, 0);
  const auto reason = read_named<DetachReason>(fields, "reason", kDetachReasonNames);
  return {needed_id(fields), reason.value_or(DetachReason::asked)};
}

JobInfo read_job(JsonFields& fields) {
  payload_of(fields, 0);
  JobInfo job;
  job.id = needed_id(fields);
  job.phase = read_named<JobPhase>(fields, "state", kPhaseNames).value_or(job.phase);
  job.pid = fields.number("pid");
  job.command = text_or_empty(fields, "command");
  job.who = text_or_empty(fields, "who");
  job.age_ms = needed_size(fields, "age_ms");
  job.stdout_bytes = needed_size(fields, "stdout");
  job.stderr_bytes = needed_size(fields, "stderr");
  job.clients = needed_size(fields, "clients");
  job.expires_ms = fields.size("expires_ms");
  job.status = read_status(fields);
  job.reason = reason_named(fields.text("reason").value_or(""));
  return job;
}

Listed read_listed(JsonFields& fields) {
  payload_of(fields, 0);
  return {needed_size(fields, "jobs")};
}

Exit read_exit(JsonFields& fields) {
  Exit exit;
  exit.id = needed_id(fields);
  const auto status = read_status(fields);
  if (!status) fields.fail("code", "and \"signal\" are both missing: the outcome is unknown");
  exit.status = status.value_or(exit.status);
  exit.core = fields.boolean("core");
  exit.reason = reason_named(fields.text("reason").value_or(""));
  exit.stdout_bytes = needed_size(fields, "stdout");
  exit.stderr_bytes = needed_size(fields, "stderr");
  exit.truncated = fields.flag("truncated");
  exit.cut = fields.flag("cut");
  exit.survivors = fields.number("survivors");
  exit.usage = read_usage(fields);
  exit.len = payload_of(fields, kMaxPayloadBytes);
  if (exit.len != 0 && exit.len != exit.stdout_bytes + exit.stderr_bytes)
    fields.fail("stdout", "and \"stderr\" do not add up to \"len\"");
  return exit;
}

SessionError read_session_error(JsonFields& fields) {
  payload_of(fields, 0);
  auto error = read_error(fields);
  if (!error) fields.fail("error", "is missing");
  return {optional_id(fields), error.value_or(ErrorReply{})};
}

Result<ServerMessage> read_server_message(JsonFields& fields, std::string_view type) {
  if (type == "output") return ServerMessage(read_output(fields));
  if (type == "started") return ServerMessage(read_started(fields));
  if (type == "exit") return ServerMessage(read_exit(fields));
  if (type == "credit") return ServerMessage(read_credit(fields, kInput));
  if (type == "gap") return ServerMessage(read_gap(fields));
  if (type == "job") return ServerMessage(read_job(fields));
  if (type == "listed") return ServerMessage(read_listed(fields));
  if (type == "detached") return ServerMessage(read_detached(fields));
  if (type == "forgotten") return ServerMessage(read_id_only<Forgotten>(fields));
  if (type == "ping") return ServerMessage(read_bare<Ping>(fields));
  if (type == "pong") return ServerMessage(read_bare<Pong>(fields));
  if (type == "error") return ServerMessage(read_session_error(fields));
  if (type == "stop") return ServerMessage(read_stop(fields, kInput));
  if (type == "hello") return ServerMessage(read_server_hello(fields));
  return read_unknown<ServerMessage>(fields, type, kMaxPayloadBytes);
}

}  // namespace

std::string_view name_of(DetachReason reason) { return kDetachReasonNames[static_cast<std::size_t>(reason)]; }
std::string_view name_of(JobPhase phase) { return kPhaseNames[static_cast<std::size_t>(phase)]; }

std::string to_json(const ServerHello& message) {
  JsonWriter json = begin_message("hello");
  json.number("v", kSessionVersion).text("boot", message.boot).text("server", message.server);
  json.begin_object("limits");
  write_size(json, "header", message.limits.header);
  write_size(json, "payload", message.limits.payload);
  write_size(json, "depth", message.limits.depth);
  write_size(json, "stdin_window", message.limits.stdin_window);
  write_size(json, "keep_ms", message.limits.keep_ms);
  json.end_object();
  write_size(json, "ping_ms", message.ping_ms);
  if (message.upgrades > 0) write_size(json, "upgrades", message.upgrades);
  if (message.failed_upgrades > 0) write_size(json, "failed_upgrades", message.failed_upgrades);
  return std::move(json).finish();
}

std::string to_json(const Started& message) {
  JsonWriter json = begin_message("started", message.id);
  json.number_or_null("pid", message.pid).boolean("existing", message.existing);
  if (message.kept) {
    json.begin_object("kept");
    write_size(json, "stdout", message.kept->stdout_end);
    write_size(json, "stderr", message.kept->stderr_end);
    write_size(json, "stdin", message.kept->stdin_off);
    write_size(json, "window", message.kept->stdin_window);
    json.boolean("eof", message.kept->stdin_ended);
    if (message.kept->has_terminal) json.boolean("pty", true);
    json.end_object();
  }
  return std::move(json).finish();
}

std::string to_json(const Output& message) {
  JsonWriter json = begin_message("output", message.id);
  json.text("stream", name_of(message.stream));
  write_size(json, "off", message.off);
  write_true(json, "replay", message.replay);
  write_size(json, "len", message.len);
  return std::move(json).finish();
}

std::string to_json(const Gap& message) {
  JsonWriter json = begin_message("gap", message.id);
  json.text("stream", name_of(message.stream));
  write_size(json, "from", message.from);
  write_size(json, "to", message.to);
  return std::move(json).finish();
}

std::string to_json(const Detached& message) {
  JsonWriter json = begin_message("detached", message.id);
  return std::move(json.text("reason", name_of(message.reason))).finish();
}

std::string to_json(const Forgotten& message) { return begin_message("forgotten", message.id).finish(); }

std::string to_json(const JobInfo& message) {
  JsonWriter json = begin_message("job", message.id);
  json.text("state", name_of(message.phase)).number_or_null("pid", message.pid);
  json.text("command", message.command).text("who", message.who);
  write_size(json, "age_ms", message.age_ms);
  write_size(json, "stdout", message.stdout_bytes);
  write_size(json, "stderr", message.stderr_bytes);
  write_size(json, "clients", message.clients);
  if (message.expires_ms) write_size(json, "expires_ms", *message.expires_ms);
  if (message.status) write_status(json, *message.status);
  if (message.reason) json.text("reason", name_of(*message.reason));
  return std::move(json).finish();
}

std::string to_json(const Listed& message) {
  JsonWriter json = begin_message("listed");
  write_size(json, "jobs", message.jobs);
  return std::move(json).finish();
}

std::string to_json(const Exit& message) {
  assert(message.reason);
  JsonWriter json = begin_message("exit", message.id);
  write_status(json, message.status);
  if (message.core)
    json.boolean("core", *message.core);
  else
    json.null("core");
  json.text("reason", name_of(*message.reason));
  write_size(json, "stdout", message.stdout_bytes);
  write_size(json, "stderr", message.stderr_bytes);
  json.boolean("truncated", message.truncated).boolean("cut", message.cut);
  json.number_or_null("survivors", message.survivors);
  write_usage(json, message.usage);
  if (message.len > 0) write_size(json, "len", message.len);
  return std::move(json).finish();
}

std::string to_json(const SessionError& message) {
  JsonWriter json = begin_message("error", message.id);
  write_error(json, message.error);
  return std::move(json).finish();
}

Result<ServerMessage> parse_server_message(std::string_view json) {
  return parse_message<ServerMessage>(json, read_server_message);
}

std::uint64_t payload_bytes(const ServerMessage& message) {
  if (const auto* output = std::get_if<Output>(&message)) return output->len;
  if (const auto* exit = std::get_if<Exit>(&message)) return exit->len;
  if (const auto* optional = std::get_if<Optional>(&message)) return optional->len;
  return 0;
}

}  // namespace runwire
