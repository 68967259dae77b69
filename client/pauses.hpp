// How long to wait before the next try of something that has failed: 100 ms, then twice as long each time, 5 s at most.
// Each is shortened by up to a half at random, so that the many whom one failure has hit do not all come back at one
// moment.
#pragma once

#include <chrono>
#include <cstdint>
#include <random>

namespace runwire {

class Pauses {
 public:
  explicit Pauses(std::uint32_t seed) : random_(seed) {}

  std::chrono::milliseconds next();
  // It went well: the next failure is a first one.
  void begin_anew();

 private:
  std::minstd_rand random_;
  std::chrono::milliseconds longest_{kFirst};

  static constexpr std::chrono::milliseconds kFirst{100}, kLast{5000};
};

}  // namespace runwire
