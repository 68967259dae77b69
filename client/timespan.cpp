#include "client/timespan.hpp"

#include <charconv>
#include <cmath>
#include <string>

namespace runwire {
namespace {

constexpr double kLongestMs = 365.0 * 86400 * 1000;

// 0: no such unit.
double milliseconds_in(std::string_view unit) {
  if (unit == "ms") return 1;
  if (unit == "s" || unit.empty()) return 1000;
  if (unit == "m") return 60 * 1000;
  if (unit == "h") return 3600 * 1000;
  if (unit == "d") return 86400 * 1000;
  return 0;
}

// Takes a number and its unit off the front. Below 0: there is none.
double take_part(std::string_view& text) {
  double number = 0;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number, std::chars_format::fixed);
  if (error != std::errc() || !(number >= 0)) return -1;
  const std::string_view rest(end, static_cast<std::size_t>(last - end));
  const std::string_view unit = rest.substr(0, rest.find_first_of("0123456789."));
  const double scale = milliseconds_in(unit);
  text = rest.substr(unit.size());
  const bool bare_amid_others = unit.empty() && !text.empty();
  return scale == 0 || bare_amid_others ? -1 : number * scale;
}

}  // namespace

Result<std::chrono::milliseconds> parse_timespan(std::string_view whole) {
  std::string_view text = whole;
  double total = 0;
  bool possible = !whole.empty();
  while (possible && !text.empty()) {
    const double part = take_part(text);
    total += part;
    possible = part >= 0 && total <= kLongestMs;
  }
  if (!possible)
    return Error{Errc::invalid_argument,
                 "no span of time: '" + std::string(whole) + "'; write 10s, 500ms, 2m or 1h, at most 365d"};
  return std::chrono::milliseconds(std::llround(std::ceil(total)));
}

}  // namespace runwire
