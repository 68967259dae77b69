// When the commands of an open loop are due: a schedule that knows nothing of how the daemon is doing.
#pragma once

#include <cstdint>
#include <random>

#include "bench/clock.hpp"

namespace runwire {

enum class Spacing {
  poisson,  // independent users: exponential gaps, so commands also come in bunches
  fixed,    // one command every 1/rate seconds
};

class Arrivals {
 public:
  // The first command is due one gap after `start`. REQUIRES: per_second > 0. The same seed gives the same
  // schedule on every run of the same build.
  Arrivals(Spacing spacing, double per_second, Nanoseconds start, std::uint64_t seed = 1);

  // When the next command is due.
  Nanoseconds due() const { return static_cast<Nanoseconds>(due_); }
  void advance();

 private:
  Spacing spacing_;
  double gap_ns_;
  double due_;  // not an integer: rounded gaps would add up to another rate
  std::mt19937_64 random_;
};

}  // namespace runwire
