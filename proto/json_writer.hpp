// Writes one JSON object, field by field, in the order of the calls: original clients read `filename` and
// `len` first, so the order is part of the protocol. simdjson, which reads our JSON, does not write any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace runwire {

class JsonWriter {
 public:
  JsonWriter();

  JsonWriter& text(std::string_view key, std::string_view value);
  JsonWriter& number(std::string_view key, std::int64_t value);
  JsonWriter& number_or_null(std::string_view key, std::optional<std::int64_t> value);
  JsonWriter& decimal(std::string_view key, double value);  // three places; for milliseconds and rates
  JsonWriter& boolean(std::string_view key, bool value);
  JsonWriter& null(std::string_view key);
  JsonWriter& begin_object(std::string_view key);
  JsonWriter& end_object();

  // Closes the object and gives the text; the writer is spent.
  std::string finish() &&;

 private:
  void key(std::string_view name);
  std::string out_;
  bool first_ = true;
};

// `text` as a JSON string with its quotes (RFC 8259 section 7). Bytes that are not UTF-8 become U+FFFD, so the
// result is always valid JSON.
std::string json_quote(std::string_view text);

}  // namespace runwire
