#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>
#include <vector>

#include "bench/histogram.hpp"

using namespace runwire;

namespace {

// Values of every order of magnitude, as latencies are: uniform in their logarithm.
std::vector<Nanoseconds> random_values(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> exponent(0, 41.9);
  std::vector<Nanoseconds> values(count);
  for (auto& value : values) value = static_cast<Nanoseconds>(std::exp2(exponent(random)));
  return values;
}

Histogram histogram_of(const std::vector<Nanoseconds>& values) {
  Histogram histogram;
  for (const Nanoseconds value : values) histogram.record(value);
  return histogram;
}

Nanoseconds nearest_rank(const std::vector<Nanoseconds>& sorted, double percent) {
  const auto rank = static_cast<std::size_t>(std::ceil(percent / 100 * static_cast<double>(sorted.size())));
  return sorted[std::max<std::size_t>(rank, 1) - 1];
}

}  // namespace

TEST_CASE("histogram: an empty one answers 0 to everything") {
  const Histogram histogram;
  CHECK(histogram.count() == 0);
  CHECK(histogram.min() == 0);
  CHECK(histogram.max() == 0);
  CHECK(histogram.mean() == 0);
  CHECK(histogram.percentile(50) == 0);
}

TEST_CASE("histogram: values below 2048 ns are exact") {
  for (Nanoseconds value = 0; value < 2048; ++value) {
    Histogram histogram;
    histogram.record(value);
    histogram.record(1'000'000);  // so that max() does not help
    CHECK(histogram.percentile(50) == value);
  }
}

TEST_CASE("histogram: every percentile is that of the sorted values, to three digits") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    auto values = random_values(1 + 137 * seed, seed);
    const Histogram histogram = histogram_of(values);
    std::sort(values.begin(), values.end());
    for (const double percent : {0.0, 0.1, 1.0, 10.0, 25.0, 50.0, 75.0, 90.0, 99.0, 99.9, 99.99, 100.0}) {
      CAPTURE(seed);
      CAPTURE(percent);
      const Nanoseconds exact = nearest_rank(values, percent);
      CHECK(histogram.percentile(percent) >= exact);
      CHECK(histogram.percentile(percent) <= exact + exact / 1024);
    }
  }
}

TEST_CASE("histogram: count, extremes and mean are exact") {
  const auto values = random_values(5000, 7);
  const Histogram histogram = histogram_of(values);
  double sum = 0;
  for (const Nanoseconds value : values) sum += static_cast<double>(value);
  CHECK(histogram.count() == values.size());
  CHECK(histogram.min() == *std::min_element(values.begin(), values.end()));
  CHECK(histogram.max() == *std::max_element(values.begin(), values.end()));
  CHECK(histogram.mean() == doctest::Approx(sum / static_cast<double>(values.size())));
}

TEST_CASE("histogram: merging is as if one had recorded everything, whichever way round") {
  const auto first = random_values(1000, 1);
  const auto second = random_values(3000, 2);
  auto all = first;
  all.insert(all.end(), second.begin(), second.end());
  const Histogram whole = histogram_of(all);
  for (const auto& [into, from] : {std::pair(first, second), std::pair(second, first)}) {
    Histogram merged = histogram_of(into);
    merged.merge(histogram_of(from));
    CHECK(merged.count() == whole.count());
    CHECK(merged.min() == whole.min());
    CHECK(merged.max() == whole.max());
    CHECK(merged.mean() == doctest::Approx(whole.mean()));
    for (int percent = 0; percent <= 100; ++percent)
      CHECK(merged.percentile(percent) == whole.percentile(percent));
  }
}

TEST_CASE("histogram: the smallest and the largest of two merged ones are kept") {
  Histogram outer = histogram_of({3, 9});
  outer.merge(histogram_of({5, 7}));
  Histogram inner = histogram_of({5, 7});
  inner.merge(histogram_of({3, 9}));
  for (const Histogram& merged : {outer, inner}) {
    CHECK(merged.min() == 3);
    CHECK(merged.max() == 9);
  }
}

TEST_CASE("histogram: merging an empty one changes nothing") {
  Histogram histogram = histogram_of({5, 7});
  histogram.merge(Histogram());
  CHECK(histogram.count() == 2);
  CHECK(histogram.min() == 5);
  CHECK(histogram.max() == 7);
}

TEST_CASE("histogram: what lies outside its range counts as the nearest value in it") {
  const Histogram histogram = histogram_of({-1, Histogram::kHighest, Histogram::kHighest + 1});
  CHECK(histogram.min() == 0);
  CHECK(histogram.max() == Histogram::kHighest);
  CHECK(histogram.percentile(100) == Histogram::kHighest);
}

TEST_CASE("histogram: a percentile is never above the largest value") {
  CHECK(histogram_of({1'000'000'001}).percentile(99.9) == 1'000'000'001);
}
