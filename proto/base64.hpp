// Base64 as RFC 4648 section 4 defines it: for the few bytes in a header that need not be text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace runwire {

std::string to_base64(std::string_view bytes);

// Strict: the standard alphabet, padded, nothing else. Empty where `text` is not that.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace runwire
