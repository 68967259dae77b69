#include "proto/message.hpp"

#include <simdjson.h>

#include <algorithm>
#include <cassert>
#include <iterator>
#include <vector>

#include "proto/json_writer.hpp"
#include "proto/limits.hpp"

namespace runwire {
namespace {

namespace dom = simdjson::dom;

constexpr std::string_view kReasonNames[] = {"exited",       "signal",    "timeout",     "idle-timeout",
                                             "output-limit", "cancelled", "client-gone", "shutdown"};

// What a server of this protocol says and one of the original protocol does not, be it as null.
constexpr std::string_view kNewKeys[] = {"stdout",    "stderr", "code",  "signal", "reason",
                                         "truncated", "cut",    "usage", "error"};
constexpr std::size_t kShownBytes = 32;  // of a wrong value

Error broken(std::string why) { return {Errc::protocol, "reply header: " + std::move(why)}; }

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

// Reads the fields of one object. The first field of a wrong type is kept as the failure; all later reads
// find nothing, so that the caller asks once, at the end.
class Fields {
 public:
  explicit Fields(dom::object object) : object_(object) {}

  std::optional<std::uint64_t> size(std::string_view key) {
    const auto value = number(key);
    if (value && (*value < 0 || static_cast<std::uint64_t>(*value) > kMaxPayloadBytes))
      return fail(key, "must be an integer from 0 to 2^53"), std::nullopt;
    return value ? std::optional<std::uint64_t>(*value) : std::nullopt;
  }
  std::optional<std::int64_t> number(std::string_view key) {
    return get<std::int64_t>(key, "must be an integer in range");
  }
  std::optional<double> decimal(std::string_view key) { return get<double>(key, "must be a number"); }
  std::optional<std::string_view> text(std::string_view key) {
    return get<std::string_view>(key, "must be a string");
  }
  bool flag(std::string_view key) { return get<bool>(key, "must be true or false").value_or(false); }
  std::optional<dom::object> object(std::string_view key) {
    return get<dom::object>(key, "must be an object");
  }

  bool has(std::string_view key) const { return object_.at_key(key).error() == simdjson::SUCCESS; }

  void fail(std::string_view key, std::string_view why) {
    if (failure_.empty()) failure_ = json_quote(key) + " " + std::string(why);
  }
  const std::string& failure() const { return failure_; }

 private:
  template <class T> std::optional<T> get(std::string_view key, std::string_view expectation) {
    dom::element element;
    if (object_.at_key(key).get(element) != simdjson::SUCCESS || element.is_null()) return std::nullopt;
    T value;
    if (element.get(value) == simdjson::SUCCESS) return value;
    fail(key, expectation);
    return std::nullopt;
  }

  dom::object object_;
  std::string failure_;
};

std::optional<ExitStatus> read_status(Fields& fields) {
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

Result<Usage> read_usage(Fields& header) {
  Usage usage;
  const auto object = header.object("usage");
  if (!object) return usage;
  Fields fields(*object);
  usage.wall_ms = fields.decimal("wall_ms");
  usage.user_ms = fields.decimal("user_ms");
  usage.sys_ms = fields.decimal("sys_ms");
  usage.max_rss_kb = fields.number("max_rss_kb");
  if (!fields.failure().empty()) return broken("usage: " + fields.failure());
  return usage;
}

std::optional<ErrorReply> read_error(Fields& fields) {
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

Result<ReplyHeader> read_reply_header(dom::object object) {
  Fields fields(object);
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
  auto usage = read_usage(fields);
  RUNWIRE_TRY(usage);
  header.usage = *usage;
  if (!fields.failure().empty()) return broken(fields.failure());
  if (!len) return broken("\"len\" is missing");
  const bool split = header.stdout_bytes || header.stderr_bytes;
  if (split && header.stdout_bytes.value_or(0) + header.stderr_bytes.value_or(0) != header.len)
    return broken("\"stdout\" and \"stderr\" do not add up to \"len\"");
  return header;
}

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

std::string to_json(const ReplyHeader& header) {
  if (header.error) return to_json(*header.error);
  assert(header.status && header.reason && header.stdout_bytes && header.stderr_bytes);
  JsonWriter json;
  json.text("filename", header.filename);
  json.number("len", static_cast<std::int64_t>(header.len));
  json.number("stdout", static_cast<std::int64_t>(*header.stdout_bytes));
  json.number("stderr", static_cast<std::int64_t>(*header.stderr_bytes));
  if (header.status->by_signal())
    json.null("code").text("signal", signal_name(header.status->signal()));
  else
    json.number("code", header.status->code()).null("signal");
  json.text("reason", name_of(*header.reason));
  json.boolean("truncated", header.truncated).boolean("cut", header.cut);
  json.begin_object("usage");
  write_milliseconds(json, "wall_ms", header.usage.wall_ms);
  write_milliseconds(json, "user_ms", header.usage.user_ms);
  write_milliseconds(json, "sys_ms", header.usage.sys_ms);
  json.number_or_null("max_rss_kb", header.usage.max_rss_kb).end_object();
  return std::move(json).finish();
}

std::string to_json(const ErrorReply& error) {
  JsonWriter json;
  json.text("filename", ReplyHeader{}.filename).number("len", 0);
  json.null("code").null("signal");
  json.text("error", error.error).text("message", error.message);
  if (!error.stage.empty()) json.text("stage", error.stage);
  if (!error.errno_name.empty()) json.text("errno", error.errno_name);
  if (error.retry_ms) json.number("retry_ms", *error.retry_ms);
  return std::move(json).finish();
}

Result<ReplyHeader> parse_reply_header(std::string_view text) {
  // The parser would copy from a null pointer, and its later versions skip a byte order mark.
  if (text.empty() || text.starts_with("\xef\xbb\xbf")) return broken("not a JSON object");
  dom::parser parser;
  // The parser refuses the level that reaches its limit.
  if (parser.allocate(std::max<std::size_t>(text.size(), 64), kMaxHeaderDepth + 1) != simdjson::SUCCESS)
    return broken("no memory to read it");
  dom::element document;
  if (const auto error = parser.parse(text.data(), text.size()).get(document); error != simdjson::SUCCESS)
    return broken(std::string("not JSON within the limits: ") + simdjson::error_message(error));
  dom::object object;
  if (document.get(object) != simdjson::SUCCESS) return broken("not a JSON object");
  if (const auto flaw = find_flaw(document, 0); !flaw.empty()) return broken(std::string(flaw));
  return read_reply_header(object);
}

}  // namespace runwire
