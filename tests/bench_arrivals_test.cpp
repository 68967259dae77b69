#include <doctest/doctest.h>

#include <vector>

#include "bench/arrivals.hpp"

using namespace runwire;

namespace {

std::vector<Nanoseconds> first_dues(Arrivals arrivals, std::size_t count) {
  std::vector<Nanoseconds> dues;
  for (; dues.size() < count; arrivals.advance()) dues.push_back(arrivals.due());
  return dues;
}

}  // namespace

TEST_CASE("arrivals: fixed spacing does not drift, whatever the rate") {
  // 3 a second: a gap of 333,333,333.3 ns.
  const auto dues = first_dues(Arrivals(Spacing::fixed, 3, 1000), 30'000);
  CHECK(dues.front() == 1000 + 333'333'333);
  CHECK(dues.back() == doctest::Approx(1000 + 10'000.0 * kSecond).epsilon(1e-12));
}

TEST_CASE("arrivals: Poisson gaps have the mean that was asked for and an exponential's spread") {
  const std::size_t count = 200'000;
  const auto dues = first_dues(Arrivals(Spacing::poisson, 1000, 0), count);
  CHECK(seconds(dues.back()) == doctest::Approx(static_cast<double>(count) / 1000).epsilon(0.01));
  std::size_t short_gaps = 0;  // below the mean: 1 - 1/e of all
  for (std::size_t i = 1; i < count; ++i) short_gaps += dues[i] - dues[i - 1] < kMillisecond ? 1 : 0;
  CHECK(static_cast<double>(short_gaps) / count == doctest::Approx(0.632).epsilon(0.01));
}

TEST_CASE("arrivals: the same seed gives the same schedule, another seed another") {
  const auto schedule = [](std::uint64_t seed) {
    return first_dues(Arrivals(Spacing::poisson, 500, 0, seed), 100);
  };
  CHECK(schedule(1) == schedule(1));
  CHECK(schedule(1) != schedule(2));
}

TEST_CASE("arrivals: nothing is due before the start") {
  for (const Nanoseconds due : first_dues(Arrivals(Spacing::poisson, 1e6, kSecond), 1000))
    CHECK(due >= kSecond);
}
