#include "client/printable.hpp"

#include <cstdint>
#include <cstdio>

#include "proto/utf8.hpp"

namespace runwire {
namespace {

// REQUIRES: `character` is one well-formed character.
std::uint32_t decode(std::string_view character) {
  const auto lead = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return lead;
  std::uint32_t code = lead & (0x7fU >> character.size());
  for (const char c : character.substr(1)) code = code << 6 | (static_cast<unsigned char>(c) & 0x3fU);
  return code;
}

bool is_obeyed(std::uint32_t code) {
  const bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
  const bool direction = (code >= 0x200e && code <= 0x200f) || (code >= 0x202a && code <= 0x202e) ||
                         (code >= 0x2066 && code <= 0x2069);
  const bool line_end = code == 0x2028 || code == 0x2029;
  return control || direction || line_end;
}

std::string escaped(std::uint32_t code) {
  char text[8];
  std::snprintf(text, sizeof text, code < 0x100 ? "\\x%02x" : "\\u%04x", code & 0xffffU);
  return text;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string safe;
  while (!text.empty()) {
    const std::size_t size = utf8_character(text);
    const std::string_view character = text.substr(0, size == 0 ? 1 : size);
    const std::uint32_t code = size == 0 ? static_cast<unsigned char>(text[0]) : decode(character);
    if (size == 0 || is_obeyed(code))
      safe += escaped(code);
    else
      safe += character;
    text.remove_prefix(character.size());
  }
  return safe;
}

}  // namespace runwire
