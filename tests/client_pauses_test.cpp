#include <doctest/doctest.h>

#include "client/pauses.hpp"

using namespace runwire;
using namespace std::chrono_literals;

TEST_CASE("pauses: they grow from a tenth of a second to five, each shortened by up to a half") {
  for (const std::uint32_t seed : {1U, 2U, 77U}) {
    Pauses pauses(seed);
    for (const auto longest : {100ms, 200ms, 400ms, 800ms, 1600ms, 3200ms, 5000ms, 5000ms}) {
      const auto pause = pauses.next();
      CHECK(pause <= longest);
      CHECK(pause >= longest / 2);
    }
  }
}

TEST_CASE("pauses: two clients do not come back at the same moments") {
  Pauses one(1), other(2);
  bool differ = false;
  for (int i = 0; i < 8; ++i) differ = one.next() != other.next() || differ;
  CHECK(differ);
}

TEST_CASE("pauses: after a success the next failure is a first one") {
  Pauses pauses(1);
  for (int i = 0; i < 9; ++i) (void)pauses.next();
  pauses.begin_anew();
  CHECK(pauses.next() <= 100ms);
}
