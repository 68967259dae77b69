#include "server/shown_command.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <string_view>

#include "proto/utf8.hpp"

namespace runwire {
namespace {

constexpr std::size_t kShownBytes = 200;

void append_shown(std::string& shown, std::string_view character) {
  const auto lead = static_cast<unsigned char>(character[0]);
  const bool is_control = character.size() == 1 ? lead < 0x20 || lead >= 0x7f : character < "\u00a0";
  if (!is_control) {
    shown += character;
    return;
  }
  char text[8];
  for (const char c : character) {
    std::snprintf(text, sizeof text, "\\x%02x", static_cast<unsigned char>(c));
    shown += text;
  }
}

std::string for_people(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const std::string_view character = text.substr(0, std::max<std::size_t>(utf8_character(text), 1));
    if (shown.size() + character.size() > kShownBytes) return shown + "...";
    append_shown(shown, character);
    text.remove_prefix(character.size());
  }
  return shown;
}

}  // namespace

std::string shown_command(const StartWords& words) {
  std::string text = words.line;
  for (const std::string& word : words.argv) {
    if (text.size() > kShownBytes) break;
    text += (text.empty() ? "" : " ") + word;
  }
  return for_people(text);
}

}  // namespace runwire
