#include "proto/message_fields.hpp"

#include "proto/base64.hpp"
#include "proto/utf8.hpp"

namespace runwire {
namespace {

constexpr std::size_t kShownBytes = 32;

}  // namespace

Error broken_message(std::string why) { return {Errc::protocol, std::move(why)}; }

std::string shown_value(std::string_view value) { return json_quote(value.substr(0, kShownBytes)); }

std::string text_or_empty(JsonFields& fields, std::string_view key) {
  return std::string(fields.text(key).value_or(""));
}

std::string optional_id(JsonFields& fields) {
  const auto id = fields.text("id");
  if (!id) return "";
  if (id->empty() || id->size() > kMaxIdBytes)
    fields.fail("id", "must have 1 to " + std::to_string(kMaxIdBytes) + " bytes");
  if (id->find('\0') != id->npos) fields.fail("id", "cannot hold a NUL byte");
  return std::string(*id);
}

std::string needed_id(JsonFields& fields) {
  std::string id = optional_id(fields);
  if (id.empty()) fields.fail("id", "is missing");
  return id;
}

StdStream read_stream(JsonFields& fields, std::span<const StdStream> allowed) {
  const auto name = fields.text("stream");
  if (!name) fields.fail("stream", "is missing");
  for (const StdStream each : allowed)
    if (name == name_of(each)) return each;
  if (name) fields.fail("stream", "cannot be " + shown_value(*name) + " here");
  return allowed.front();
}

std::string read_bytes(JsonFields& fields, std::string_view key) {
  std::string bytes;
  if (fields.is_object(key)) {
    auto inner = fields.object(key);
    const auto decoded = from_base64(inner->text("b64").value_or("?"));
    if (!decoded) fields.fail(key, "must be a string, or an object whose \"b64\" is one in base64");
    bytes = decoded.value_or("");
  } else {
    bytes = text_or_empty(fields, key);
  }
  if (bytes.find('\0') != bytes.npos) fields.fail(key, "cannot hold a NUL byte");
  return bytes;
}

std::uint64_t payload_of(JsonFields& fields, std::uint64_t most) {
  const std::uint64_t len = fields.size("len").value_or(0);
  if (len > most) fields.fail("len", "may be " + std::to_string(most) + " at most here");
  return len;
}

Credit read_credit(JsonFields& fields, std::span<const StdStream> allowed) {
  payload_of(fields, 0);
  const auto bytes = fields.size("bytes");
  if (!bytes) fields.fail("bytes", "is missing");
  return {needed_id(fields), read_stream(fields, allowed), bytes.value_or(0)};
}

Stop read_stop(JsonFields& fields, std::span<const StdStream> allowed) {
  payload_of(fields, 0);
  return {needed_id(fields), read_stream(fields, allowed)};
}

std::uint64_t needed_size(JsonFields& fields, std::string_view key) {
  const auto size = fields.size(key);
  if (!size) fields.fail(key, "is missing");
  return size.value_or(0);
}

JsonWriter begin_message(std::string_view type, std::string_view id) {
  JsonWriter json;
  json.text("type", type);
  if (!id.empty()) json.text("id", id);
  return json;
}

void write_size(JsonWriter& json, std::string_view key, std::uint64_t value) {
  json.number(key, static_cast<std::int64_t>(value));
}

void write_true(JsonWriter& json, std::string_view key, bool value) {
  if (value) json.boolean(key, true);
}

void write_bytes(JsonWriter& json, std::string_view key, std::string_view bytes) {
  if (is_utf8(bytes))
    json.text(key, bytes);
  else
    json.begin_object(key).text("b64", to_base64(bytes)).end_object();
}

}  // namespace runwire
