// Spans of time as people write them on a command line.
#pragma once

#include <string_view>

#include "bench/clock.hpp"
#include "proto/result.hpp"

namespace runwire {

// "10s", "500ms", "2m", "1h"; a bare number is seconds, and fractions are allowed ("0.5").
// ERRORS: invalid_argument, also for a negative span and for one above 24 hours.
Result<Nanoseconds> parse_duration(std::string_view text);

}  // namespace runwire
