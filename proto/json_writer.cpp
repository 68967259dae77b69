#include "proto/json_writer.hpp"

#include <array>
#include <cassert>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>

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

constexpr double kWholeNumbers = 1e15;    // below it a double's whole part is an int64
constexpr std::size_t kUsualBytes = 320;  // of a reply's header

void append_number(std::string& out, std::int64_t value) {
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
  out.append(digits, end);
}

// printf(3) would write the decimal comma of a locale that has one; without decimals it writes none.
void append_thousandths(std::string& out, double value) {
  double whole = 0;
  auto thousandths = static_cast<int>(std::lround(std::modf(std::fabs(value), &whole) * 1000));
  if (thousandths == 1000) {
    whole += 1;
    thousandths = 0;
  }
  if (value < 0 && (whole > 0 || thousandths > 0)) out += '-';
  if (whole < kWholeNumbers) {
    append_number(out, static_cast<std::int64_t>(whole));
  } else {
    char digits[352];  // DBL_MAX
    std::snprintf(digits, sizeof digits, "%.0f", whole);
    out += digits;
  }
  const char places[] = {'.', static_cast<char>('0' + thousandths / 100),
                         static_cast<char>('0' + thousandths / 10 % 10),
                         static_cast<char>('0' + thousandths % 10)};
  out.append(places, sizeof places);
}

// Printable ASCII that stands for itself. A table: to look for what would have to be escaped was a tenth of all that a
// reply costs.
constexpr auto kPlain = [] {
  std::array<bool, 256> plain{};
  for (unsigned c = 0x20; c < 0x7f; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}();

// Eight bytes at a time: which of them are zero, below a blank, or beyond ASCII, is told by the highest bit of each.
constexpr std::uint64_t kOnes = 0x0101010101010101, kHighest = 0x8080808080808080;
constexpr std::uint64_t zeros_in(std::uint64_t eight) { return (eight - kOnes) & ~eight & kHighest; }

constexpr std::uint64_t found_in(std::uint64_t eight, char c) {
  return zeros_in(eight ^ kOnes * static_cast<unsigned char>(c));
}

bool are_plain(std::uint64_t eight) {
  const std::uint64_t controls = (eight - kOnes * ' ') & ~eight & kHighest;
  const std::uint64_t others = found_in(eight, '"') | found_in(eight, '\\') | found_in(eight, '\x7f');
  return ((eight & kHighest) | controls | others) == 0;
}

std::size_t plain_bytes(std::string_view text) {
  std::size_t count = 0;
  for (std::uint64_t eight = 0; text.size() - count >= sizeof eight; count += sizeof eight) {
    std::memcpy(&eight, text.data() + count, sizeof eight);
    if (!are_plain(eight)) break;
  }
  while (count < text.size() && kPlain[static_cast<unsigned char>(text[count])]) ++count;
  return count;
}

// Nearly all text is plain, and appended in one go.
void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const std::size_t plain = plain_bytes(text);
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) break;
    const std::size_t size = utf8_character(text);
    if (size == 1)
      append_escaped(out, text[0]);
    else if (size == 0)
      out += "\xef\xbf\xbd";  // U+FFFD
    else
      out.append(text.substr(0, size));
    text.remove_prefix(size == 0 ? 1 : size);
  }
  out += '"';
}

}  // namespace

std::string json_quote(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  append_quoted(out, text);
  return out;
}

JsonWriter::JsonWriter() {
  out_.reserve(kUsualBytes);
  out_ += '{';
}

void JsonWriter::key(std::string_view name) {
  if (!first_) out_ += ',';
  first_ = false;
  append_quoted(out_, name);
  out_ += ':';
}

JsonWriter& JsonWriter::text(std::string_view name, std::string_view value) {
  key(name);
  append_quoted(out_, value);
  return *this;
}

JsonWriter& JsonWriter::number(std::string_view name, std::int64_t value) {
  key(name);
  append_number(out_, value);
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
