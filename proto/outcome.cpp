#include "proto/outcome.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace runwire {
namespace {

constexpr std::string_view kReasonNames[] = {"exited",       "signal",    "timeout",     "idle-timeout",
                                             "output-limit", "cancelled", "client-gone", "shutdown"};

constexpr std::size_t kShownBytes = 32;  // of a wrong value
constexpr std::int64_t kRetryMs = 100;

void write_milliseconds(JsonWriter& json, std::string_view key, std::optional<double> value) {
  if (value)
    json.decimal(key, *value);
  else
    json.null(key);
}

}  // namespace

std::string_view name_of(Reason reason) { return kReasonNames[static_cast<std::size_t>(reason)]; }

std::optional<Reason> reason_named(std::string_view name) {
  const auto* found = std::find(std::begin(kReasonNames), std::end(kReasonNames), name);
  if (found == std::end(kReasonNames)) return std::nullopt;
  return static_cast<Reason>(found - std::begin(kReasonNames));
}

ErrorReply error_reply(std::string_view name, std::string message) {
  ErrorReply error{std::string(name), std::move(message), "", "", {}};
  if (name == error_name::kBusy) error.retry_ms = kRetryMs;
  return error;
}

void write_status(JsonWriter& json, const ExitStatus& status) {
  if (status.by_signal())
    json.null("code").text("signal", signal_name(status.signal()));
  else
    json.number("code", status.code()).null("signal");
}

std::optional<ExitStatus> read_status(JsonFields& fields) {
  const auto code = fields.number("code");
  const auto signal = fields.text("signal");
  if (code && signal) fields.fail("code", "and \"signal\" exclude each other");
  if (code && (*code < 0 || *code > 255)) fields.fail("code", "must be from 0 to 255");
  if (code) return ExitStatus::exited(static_cast<int>(*code));
  if (!signal) return std::nullopt;
  const int number = signal_number(*signal);
  if (number == 0)
    fields.fail("signal",
                "names no signal that is known here: " + json_quote(signal->substr(0, kShownBytes)));
  return ExitStatus::killed(number);
}

void write_usage(JsonWriter& json, const Usage& usage) {
  json.begin_object("usage");
  write_milliseconds(json, "wall_ms", usage.wall_ms);
  write_milliseconds(json, "user_ms", usage.user_ms);
  write_milliseconds(json, "sys_ms", usage.sys_ms);
  json.number_or_null("max_rss_kb", usage.max_rss_kb).end_object();
}

Usage read_usage(JsonFields& fields) {
  Usage usage;
  auto found = fields.object("usage");
  if (!found) return usage;
  usage.wall_ms = found->decimal("wall_ms");
  usage.user_ms = found->decimal("user_ms");
  usage.sys_ms = found->decimal("sys_ms");
  usage.max_rss_kb = found->number("max_rss_kb");
  if (!found->failure().empty()) fields.fail("usage", "is malformed: " + found->failure());
  return usage;
}

void write_error(JsonWriter& json, const ErrorReply& error) {
  json.text("error", error.error).text("message", error.message);
  if (!error.stage.empty()) json.text("stage", error.stage);
  if (!error.errno_name.empty()) json.text("errno", error.errno_name);
  if (error.retry_ms) json.number("retry_ms", *error.retry_ms);
}

std::optional<ErrorReply> read_error(JsonFields& fields) {
  const auto name = fields.text("error");
  if (!name) return std::nullopt;
  ErrorReply error;
  error.error = *name;
  error.message = fields.text("message").value_or("");
  error.stage = fields.text("stage").value_or("");
  error.errno_name = fields.text("errno").value_or("");
  error.retry_ms = fields.number("retry_ms");
  return error;
}

}  // namespace runwire
