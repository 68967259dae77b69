// Reads one strict JSON object, field by field. json_object.cpp is the only file that knows the JSON library.
//
// Strict: an object without duplicate keys at any level, UTF-8, nested at most kMaxHeaderDepth deep, nothing after it.
// A field that is null counts as missing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proto/result.hpp"

namespace runwire {

// The fields of one object. The first of a wrong type or range is kept as the failure; reading goes on and finds
// nothing there, so that the caller asks once, at the end. The views it gives live as long as the JsonDocument.
class JsonFields {
 public:
  JsonFields(JsonFields&&) noexcept;
  ~JsonFields();

  std::optional<std::uint64_t> size(std::string_view key);  // an integer from 0 to 2^53
  std::optional<std::int64_t> number(std::string_view key);
  std::optional<double> decimal(std::string_view key);
  std::optional<std::string_view> text(std::string_view key);
  std::optional<bool> boolean(std::string_view key);
  bool flag(std::string_view key) { return boolean(key).value_or(false); }
  std::optional<JsonFields> object(std::string_view key);

  bool has(std::string_view key) const;        // be it as null
  bool is_set(std::string_view key) const;     // to whatever, but not to null
  bool is_object(std::string_view key) const;  // without a failure where it is not
  void fail(std::string_view key, std::string_view why);
  const std::string& failure() const { return failure_; }

 private:
  friend class JsonDocument;
  struct Node;  // what the JSON library has for an object
  explicit JsonFields(std::unique_ptr<Node> node);
  template <class T> std::optional<T> get(std::string_view key, std::string_view expectation);

  std::unique_ptr<Node> node_;
  std::string failure_;
};

class JsonDocument {
 public:
  // ERRORS: Errc::protocol, saying what is wrong.
  static Result<JsonDocument> parse(std::string_view text);
  JsonDocument(JsonDocument&&) noexcept;
  ~JsonDocument();

  JsonFields fields() const;

 private:
  struct Parsed;
  explicit JsonDocument(std::unique_ptr<Parsed> parsed);

  std::unique_ptr<Parsed> parsed_;
};

}  // namespace runwire
