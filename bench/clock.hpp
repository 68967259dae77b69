// The bench's only clock: monotonic, in whole nanoseconds, so that times are plain integers everywhere.
#pragma once

#include <chrono>
#include <cstdint>

namespace runwire {

using Nanoseconds = std::int64_t;  // a span, or a moment since an arbitrary start

inline constexpr Nanoseconds kMicrosecond = 1'000;
inline constexpr Nanoseconds kMillisecond = 1'000'000;
inline constexpr Nanoseconds kSecond = 1'000'000'000;

inline Nanoseconds now_ns() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(since).count();
}

inline double seconds(Nanoseconds span) { return static_cast<double>(span) / static_cast<double>(kSecond); }
inline double milliseconds(Nanoseconds span) {
  return static_cast<double>(span) / static_cast<double>(kMillisecond);
}

}  // namespace runwire
