#include "bench/duration.hpp"

#include <charconv>
#include <string>

namespace runwire {
namespace {

constexpr Nanoseconds kLongest = 24 * 3600 * kSecond;

Nanoseconds unit_named(std::string_view name) {
  if (name == "ms") return kMillisecond;
  if (name == "s" || name.empty()) return kSecond;
  if (name == "m") return 60 * kSecond;
  if (name == "h") return 3600 * kSecond;
  return 0;
}

}  // namespace

Result<Nanoseconds> parse_duration(std::string_view text) {
  double number = 0;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number, std::chars_format::fixed);
  const Nanoseconds unit = unit_named({end, static_cast<std::size_t>(last - end)});
  const double span = number * static_cast<double>(unit);
  if (error != std::errc() || unit == 0 || !(span >= 0) || span > static_cast<double>(kLongest))
    return Error{Errc::invalid_argument,
                 "duration '" + std::string(text) + "': write 10s, 500ms, 2m or 1h, at most 24h"};
  return static_cast<Nanoseconds>(span);
}

}  // namespace runwire
