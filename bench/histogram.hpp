// Counts latencies and answers percentiles, in constant memory and without knowing the range beforehand.
//
// Log-linear: values below 2048 have a bucket each; above, every power of two is cut into 1024 equal buckets.
// A value is therefore known to one part in 1024, three significant digits.
// Source: the layout of HdrHistogram (Gil Tene).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bench/clock.hpp"

namespace runwire {

class Histogram {
 public:
  Histogram();

  // Negative values count as 0, values above kHighest as kHighest.
  void record(Nanoseconds value);

  // As if everything that `other` has seen had been recorded here.
  void merge(const Histogram& other);

  std::uint64_t count() const { return count_; }

  // These three are exact. 0 when empty.
  Nanoseconds min() const { return count_ == 0 ? 0 : min_; }
  Nanoseconds max() const { return max_; }
  double mean() const;

  // The smallest recorded value that is no smaller than `percent` (0..100) of all ("nearest rank"), to within
  // its bucket: never below the true one, at most 1/1024 above it, never above max(). 0 when empty.
  Nanoseconds percentile(double percent) const;

  static constexpr Nanoseconds kHighest = (Nanoseconds{1} << 42) - 1;  // 73 minutes

 private:
  std::vector<std::uint64_t> buckets_;
  std::uint64_t count_ = 0;
  double sum_ = 0;
  Nanoseconds min_ = kHighest;
  Nanoseconds max_ = 0;
};

}  // namespace runwire
