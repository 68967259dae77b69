// What the messages of both sides have in common, as it stands in JSON. For client_message.cpp and server_message.cpp,
// and for others who write such JSON.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "proto/json_object.hpp"
#include "proto/json_writer.hpp"
#include "proto/limits.hpp"
#include "proto/result.hpp"
#include "proto/session_words.hpp"

namespace runwire {

inline constexpr StdStream kInput[] = {StdStream::in};
inline constexpr StdStream kOutputs[] = {StdStream::out, StdStream::err};

Error broken_message(std::string why);            // Errc::protocol
std::string shown_value(std::string_view value);  // of a wrong one, its beginning

// --- to read; what is wrong becomes a failure of `fields` ---

std::string text_or_empty(JsonFields& fields, std::string_view key);
std::string optional_id(JsonFields& fields);
std::string needed_id(JsonFields& fields);
std::uint64_t needed_size(JsonFields& fields, std::string_view key);
StdStream read_stream(JsonFields& fields, std::span<const StdStream> allowed);
std::string read_bytes(JsonFields& fields, std::string_view key);  // as write_bytes() writes them; no NUL
std::uint64_t payload_of(JsonFields& fields, std::uint64_t most = kMaxSessionPayloadBytes);
Credit read_credit(JsonFields& fields, std::span<const StdStream> allowed);
Stop read_stop(JsonFields& fields, std::span<const StdStream> allowed);

template <class Message> Message read_bare(JsonFields& fields) {
  payload_of(fields, 0);
  return {};
}

// One that is about a command, and says no more than that.
template <class Message> Message read_id_only(JsonFields& fields) {
  payload_of(fields, 0);
  return {needed_id(fields)};
}

// An unknown type, with `most` bytes behind it at most. ERRORS: it may not be passed over.
template <class Message>
Result<Message> read_unknown(JsonFields& fields, std::string_view type, std::uint64_t most) {
  if (!fields.flag("optional")) return broken_message("unknown type " + shown_value(type));
  return Message(Optional{payload_of(fields, most)});
}

// Reads a header whose "type" `read` understands.
template <class Message, class Read> Result<Message> parse_message(std::string_view json, Read read) {
  const auto document = JsonDocument::parse(json);
  if (!document) return broken_message("header: " + document.error().message);
  JsonFields fields = document->fields();
  const auto type = fields.text("type");
  if (!type) return broken_message("header: \"type\" is missing");
  auto message = read(fields, *type);
  if (!message) return message;
  if (!fields.failure().empty()) return broken_message(std::string(*type) + ": " + fields.failure());
  return message;
}

// --- to write ---

// A message begins with its type and, where it is about a command, with the id of that.
JsonWriter begin_message(std::string_view type, std::string_view id = "");
void write_size(JsonWriter& json, std::string_view key, std::uint64_t value);
void write_true(JsonWriter& json, std::string_view key, bool value);  // left out where it is false
// Text as it is where it can be; else {"b64": "..."}.
void write_bytes(JsonWriter& json, std::string_view key, std::string_view bytes);

}  // namespace runwire
