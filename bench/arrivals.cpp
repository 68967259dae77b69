#include "bench/arrivals.hpp"

namespace runwire {

Arrivals::Arrivals(Spacing spacing, double per_second, Nanoseconds start, std::uint64_t seed)
    : spacing_(spacing),
      gap_ns_(static_cast<double>(kSecond) / per_second),
      due_(static_cast<double>(start)),
      random_(seed) {
  advance();
}

void Arrivals::advance() {
  due_ += spacing_ == Spacing::fixed ? gap_ns_ : std::exponential_distribution<double>(1 / gap_ns_)(random_);
}

}  // namespace runwire
