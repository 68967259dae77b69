// Spans of time as people write them on a command line and in a file.
#pragma once

#include <chrono>
#include <string_view>

#include "proto/result.hpp"

namespace runwire {

// "500ms", "10s", "2m", "1h", "1d", several of them ("1m30s"); a bare number is seconds, as timeout(1) and ssh have
// it. Fractions are allowed; less than a millisecond that is not nothing counts as one.
// ERRORS: invalid_argument, also for a negative span and for one above 365 days.
Result<std::chrono::milliseconds> parse_timespan(std::string_view text);

}  // namespace runwire
