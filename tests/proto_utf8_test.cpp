#include <doctest/doctest.h>

#include <cstdint>
#include <string>

#include "proto/utf8.hpp"

using namespace runwire;

namespace {

// RFC 3629, section 3, by arithmetic.
std::string encode(std::uint32_t c) {
  auto byte = [](std::uint32_t value) { return static_cast<char>(value); };
  if (c < 0x80) return {byte(c)};
  if (c < 0x800) return {byte(0xc0 | c >> 6), byte(0x80 | (c & 0x3f))};
  if (c < 0x10000) return {byte(0xe0 | c >> 12), byte(0x80 | (c >> 6 & 0x3f)), byte(0x80 | (c & 0x3f))};
  return {byte(0xf0 | c >> 18), byte(0x80 | (c >> 12 & 0x3f)), byte(0x80 | (c >> 6 & 0x3f)),
          byte(0x80 | (c & 0x3f))};
}

bool is_surrogate(std::uint32_t c) { return c >= 0xd800 && c < 0xe000; }

}  // namespace

TEST_CASE("utf-8: every character up to U+10FFFF is one, but surrogates") {
  for (std::uint32_t c = 0; c < 0x110000; ++c) {
    const std::string text = encode(c) + "x";
    REQUIRE_MESSAGE(utf8_character(text) == (is_surrogate(c) ? 0 : text.size() - 1), c);
  }
}

TEST_CASE("utf-8: nothing above U+10FFFF is one") {
  for (std::uint32_t c = 0x110000; c < 0x200000; c += 0x40) REQUIRE(utf8_character(encode(c)) == 0);
}

TEST_CASE("utf-8: a character that is cut short is none") {
  for (const std::uint32_t c : {0x80u, 0x7ffu, 0x800u, 0xffffu, 0x10000u, 0x10ffffu}) {
    const std::string text = encode(c);
    for (std::size_t size = 0; size < text.size(); ++size) CHECK(utf8_character(text.substr(0, size)) == 0);
  }
}

TEST_CASE("utf-8: every other sequence of two bytes starts with no character, or with one of ASCII") {
  for (unsigned first = 0; first < 256; ++first)
    for (unsigned second = 0; second < 256; ++second) {
      const char text[] = {static_cast<char>(first), static_cast<char>(second)};
      const bool pair = first >= 0xc2 && first < 0xe0 && second >= 0x80 && second < 0xc0;
      REQUIRE(utf8_character({text, 2}) == (first < 0x80 ? 1u : pair ? 2u : 0u));
    }
}

TEST_CASE("utf-8: overlong forms are none") {
  for (const char* text :
       {"\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf", "\xe0\x9f\xbf", "\xf0\x80\x80\xaf", "\xf0\x8f\xbf\xbf"})
    CHECK(utf8_character(text) == 0);
}

TEST_CASE("utf-8: a text is one where all of its characters are") {
  for (const std::string text : {"", "a", "caf\xc3\xa9", "\xe4\xb8\xad\xe6\x96\x87", "\xf0\x9f\x98\x80"}) {
    CHECK(is_utf8(text));
    CHECK_FALSE(is_utf8(text + "\xff"));
    CHECK_FALSE(is_utf8("\xc3" + text));
    CHECK_FALSE(is_utf8("a\x80" + text));
  }
  CHECK(is_utf8(std::string_view("a\0b", 3)));
}
