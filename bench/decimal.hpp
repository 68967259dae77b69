// Numbers as text, with a fixed count of places (std::format is not in every C++20 library yet).
#pragma once

#include <string>

namespace runwire {

std::string decimal(double value, int places);

// `text` with blanks before it up to `width` characters; longer ones stay as they are.
std::string right_aligned(const std::string& text, std::size_t width);

}  // namespace runwire
