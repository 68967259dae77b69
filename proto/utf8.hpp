// UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <string_view>

namespace runwire {

// Bytes of the well-formed character that `text` starts with: 1..4, or 0 where it starts with none.
std::size_t utf8_character(std::string_view text);

// All of it is.
bool is_utf8(std::string_view text);

}  // namespace runwire
