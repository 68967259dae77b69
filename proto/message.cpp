#include "proto/message.hpp"

#include <algorithm>
#include <cassert>
#include <iterator>

#include "proto/json_object.hpp"
#include "proto/json_writer.hpp"

namespace runwire {
namespace {

// What a server of this protocol says and one of the original protocol does not, be it as null.
constexpr std::string_view kNewKeys[] = {"stdout",    "stderr", "code",  "signal", "reason",
                                         "truncated", "cut",    "usage", "error"};

Error broken(std::string why) { return {Errc::protocol, "reply header: " + std::move(why)}; }

Result<ReplyHeader> read_reply_header(JsonFields fields) {
  ReplyHeader header;
  header.filename = fields.text("filename").value_or("");
  const auto len = fields.size("len");
  header.len = len.value_or(0);
  header.stdout_bytes = fields.size("stdout");
  header.stderr_bytes = fields.size("stderr");
  header.truncated = fields.flag("truncated");
  header.cut = fields.flag("cut");
  header.status = read_status(fields);
  if (const auto reason = fields.text("reason")) header.reason = reason_named(*reason);
  header.error = read_error(fields);
  if (header.error && header.status) fields.fail("error", "and a status exclude each other");
  if (header.error && header.len != 0) fields.fail("error", "and output exclude each other");
  header.original =
      std::none_of(std::begin(kNewKeys), std::end(kNewKeys), [&](auto key) { return fields.has(key); });
  header.usage = read_usage(fields);
  if (!fields.failure().empty()) return broken(fields.failure());
  if (!len) return broken("\"len\" is missing");
  const bool split = header.stdout_bytes || header.stderr_bytes;
  if (split && header.stdout_bytes.value_or(0) + header.stderr_bytes.value_or(0) != header.len)
    return broken("\"stdout\" and \"stderr\" do not add up to \"len\"");
  return header;
}

void write_error_reply(JsonWriter& json, const ErrorReply& error) {
  json.text("filename", ReplyHeader{}.filename).number("len", 0);
  json.null("code").null("signal");
  write_error(json, error);
}

}  // namespace

std::string to_json(const ReplyHeader& header) {
  if (header.error) return to_json(*header.error);
  assert(header.status && header.reason && header.stdout_bytes && header.stderr_bytes);
  JsonWriter json;
  json.text("filename", header.filename);
  json.number("len", static_cast<std::int64_t>(header.len));
  json.number("stdout", static_cast<std::int64_t>(*header.stdout_bytes));
  json.number("stderr", static_cast<std::int64_t>(*header.stderr_bytes));
  write_status(json, *header.status);
  json.text("reason", name_of(*header.reason));
  json.boolean("truncated", header.truncated).boolean("cut", header.cut);
  write_usage(json, header.usage);
  return std::move(json).finish();
}

std::string to_json(const ErrorReply& error) {
  JsonWriter json;
  write_error_reply(json, error);
  return std::move(json).finish();
}

std::string to_json_unasked(const ErrorReply& error) {
  JsonWriter json;
  write_error_reply(json, error);
  return std::move(json.text("type", "error")).finish();
}

Result<ReplyHeader> parse_reply_header(std::string_view text) {
  const auto document = JsonDocument::parse(text);
  if (!document) return broken(document.error().message);
  return read_reply_header(document->fields());
}

}  // namespace runwire
