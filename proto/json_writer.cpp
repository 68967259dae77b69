#include "proto/json_writer.hpp"

#include <cassert>
#include <cmath>
#include <cstdio>

#include "proto/utf8.hpp"

namespace runwire {
namespace {

void append_escaped(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  if (static_cast<unsigned char>(c) >= 0x20) {
    out += c;
    return;
  }
  constexpr char kHex[] = "0123456789abcdef";
  out += "\\u00";
  out += kHex[c >> 4 & 0xf];
  out += kHex[c & 0xf];
}

// printf(3) would write the decimal comma of a locale that has one; without decimals it writes none.
void append_thousandths(std::string& out, double value) {
  double whole = 0;
  auto thousandths = static_cast<int>(std::lround(std::modf(std::fabs(value), &whole) * 1000));
  if (thousandths == 1000) {
    whole += 1;
    thousandths = 0;
  }
  const bool negative = value < 0 && (whole > 0 || thousandths > 0);
  char digits[352];  // DBL_MAX
  std::snprintf(digits, sizeof digits, "%s%.0f.%03d", negative ? "-" : "", whole, thousandths);
  out += digits;
}

}  // namespace

std::string json_quote(std::string_view text) {
  std::string out = "\"";
  out.reserve(text.size() + 2);
  while (!text.empty()) {
    const std::size_t size = utf8_character(text);
    if (size == 1)
      append_escaped(out, text[0]);
    else if (size == 0)
      out += "\xef\xbf\xbd";  // U+FFFD
    else
      out += text.substr(0, size);
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return out += '"';
}

void JsonWriter::key(std::string_view name) {
  if (!first_) out_ += ',';
  first_ = false;
  out_ += json_quote(name);
  out_ += ':';
}

JsonWriter& JsonWriter::text(std::string_view name, std::string_view value) {
  key(name);
  out_ += json_quote(value);
  return *this;
}

JsonWriter& JsonWriter::number(std::string_view name, std::int64_t value) {
  key(name);
  out_ += std::to_string(value);
  return *this;
}

JsonWriter& JsonWriter::number_or_null(std::string_view name, std::optional<std::int64_t> value) {
  return value ? number(name, *value) : null(name);
}

JsonWriter& JsonWriter::decimal(std::string_view name, double value) {
  assert(std::isfinite(value));  // JSON has no word for the others
  key(name);
  append_thousandths(out_, value);
  return *this;
}

JsonWriter& JsonWriter::boolean(std::string_view name, bool value) {
  key(name);
  out_ += value ? "true" : "false";
  return *this;
}

JsonWriter& JsonWriter::null(std::string_view name) {
  key(name);
  out_ += "null";
  return *this;
}

JsonWriter& JsonWriter::begin_object(std::string_view name) {
  key(name);
  out_ += '{';
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::end_object() {
  out_ += '}';
  first_ = false;
  return *this;
}

std::string JsonWriter::finish() && {
  out_ += '}';
  return std::move(out_);
}

}  // namespace runwire
