#include "client/pauses.hpp"

#include <algorithm>
#include <utility>

namespace runwire {

std::chrono::milliseconds Pauses::next() {
  const auto longest = std::exchange(longest_, std::min(2 * longest_, kLast));
  std::uniform_int_distribution<std::chrono::milliseconds::rep> length(longest.count() / 2, longest.count());
  return std::chrono::milliseconds(length(random_));
}

void Pauses::begin_anew() { longest_ = kFirst; }

}  // namespace runwire
