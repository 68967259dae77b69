#include "bench/decimal.hpp"

#include <cstdio>

namespace runwire {

std::string decimal(double value, int places) {
  char digits[352];  // DBL_MAX with a few places
  std::snprintf(digits, sizeof digits, "%.*f", places, value);
  return digits;
}

std::string right_aligned(const std::string& text, std::size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

}  // namespace runwire
