#include "proto/json_object.hpp"

#include <simdjson.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "proto/json_writer.hpp"
#include "proto/limits.hpp"

namespace runwire {
namespace {

namespace dom = simdjson::dom;

Error broken(std::string why) { return {Errc::protocol, std::move(why)}; }

bool has_duplicate(std::vector<std::string_view> keys) {
  std::sort(keys.begin(), keys.end());
  return std::adjacent_find(keys.begin(), keys.end()) != keys.end();
}

// What is wrong with an element inside of `depth` others, or nothing. The parser takes the first of two equal
// keys, another reader may take the last: an ambiguity to refuse. And the parser does not count the innermost level
// where that is empty, so depth is counted here; its own limit bounds this recursion.
std::string_view find_flaw(dom::element element, std::size_t depth) {
  std::vector<dom::element> inner;
  std::vector<std::string_view> keys;
  if (dom::array items; element.get(items) == simdjson::SUCCESS) {
    inner.assign(items.begin(), items.end());
  } else if (dom::object object; element.get(object) == simdjson::SUCCESS) {
    for (auto [key, value] : object) keys.push_back(key), inner.push_back(value);
  } else {
    return {};
  }
  if (depth == kMaxHeaderDepth) return "nested too deep";
  for (dom::element each : inner)
    if (const auto flaw = find_flaw(each, depth + 1); !flaw.empty()) return flaw;
  return has_duplicate(std::move(keys)) ? "a key stands twice" : std::string_view();
}

}  // namespace

struct JsonFields::Node {
  dom::object object;
};

JsonFields::JsonFields(std::unique_ptr<Node> node) : node_(std::move(node)) {}
JsonFields::JsonFields(JsonFields&&) noexcept = default;
JsonFields::~JsonFields() = default;

template <class T> std::optional<T> JsonFields::get(std::string_view key, std::string_view expectation) {
  dom::element element;
  if (node_->object.at_key(key).get(element) != simdjson::SUCCESS || element.is_null()) return std::nullopt;
  T value;
  if (element.get(value) == simdjson::SUCCESS) return value;
  fail(key, expectation);
  return std::nullopt;
}

std::optional<std::uint64_t> JsonFields::size(std::string_view key) {
  const auto value = number(key);
  if (value && (*value < 0 || static_cast<std::uint64_t>(*value) > kMaxPayloadBytes))
    return fail(key, "must be an integer from 0 to 2^53"), std::nullopt;
  return value ? std::optional<std::uint64_t>(*value) : std::nullopt;
}

std::optional<std::int64_t> JsonFields::number(std::string_view key) {
  return get<std::int64_t>(key, "must be an integer in range");
}

std::optional<double> JsonFields::decimal(std::string_view key) {
  return get<double>(key, "must be a number");
}

std::optional<std::string_view> JsonFields::text(std::string_view key) {
  return get<std::string_view>(key, "must be a string");
}

std::optional<bool> JsonFields::boolean(std::string_view key) {
  return get<bool>(key, "must be true or false");
}

std::optional<JsonFields> JsonFields::object(std::string_view key) {
  const auto found = get<dom::object>(key, "must be an object");
  if (!found) return std::nullopt;
  return JsonFields(std::make_unique<Node>(Node{*found}));
}

bool JsonFields::has(std::string_view key) const {
  return node_->object.at_key(key).error() == simdjson::SUCCESS;
}

bool JsonFields::is_set(std::string_view key) const {
  dom::element element;
  return node_->object.at_key(key).get(element) == simdjson::SUCCESS && !element.is_null();
}

bool JsonFields::is_object(std::string_view key) const {
  return node_->object.at_key(key).get_object().error() == simdjson::SUCCESS;
}

void JsonFields::fail(std::string_view key, std::string_view why) {
  if (failure_.empty()) failure_ = json_quote(key) + " " + std::string(why);
}

struct JsonDocument::Parsed {
  dom::parser parser;
  dom::object object;
};

JsonDocument::JsonDocument(std::unique_ptr<Parsed> parsed) : parsed_(std::move(parsed)) {}
JsonDocument::JsonDocument(JsonDocument&&) noexcept = default;
JsonDocument::~JsonDocument() = default;

JsonFields JsonDocument::fields() const {
  return JsonFields(std::make_unique<JsonFields::Node>(JsonFields::Node{parsed_->object}));
}

Result<JsonDocument> JsonDocument::parse(std::string_view text) {
  // The parser would copy from a null pointer, and its later versions skip a byte order mark.
  if (text.empty() || text.starts_with("\xef\xbb\xbf")) return broken("not a JSON object");
  auto parsed = std::make_unique<Parsed>();
  // The parser refuses the level that reaches its limit.
  if (parsed->parser.allocate(std::max<std::size_t>(text.size(), 64), kMaxHeaderDepth + 1) !=
      simdjson::SUCCESS)
    return broken("no memory to read it");
  dom::element document;
  const auto error = parsed->parser.parse(text.data(), text.size()).get(document);
  if (error != simdjson::SUCCESS)
    return broken(std::string("not JSON within the limits: ") + simdjson::error_message(error));
  if (document.get(parsed->object) != simdjson::SUCCESS) return broken("not a JSON object");
  if (const auto flaw = find_flaw(document, 0); !flaw.empty()) return broken(std::string(flaw));
  return JsonDocument(std::move(parsed));
}

}  // namespace runwire
