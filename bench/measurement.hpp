// One measurement from the first connection to the report.
#pragma once

#include <functional>

#include "bench/options.hpp"
#include "bench/report.hpp"
#include "proto/result.hpp"

namespace runwire {

// `phase` ("warming up", "measuring") tells what the tally is of; false ends the measurement, whose report
// then covers what has been measured.
using PhaseObserver = std::function<bool(const char* phase, const Tally& so_far, Nanoseconds elapsed)>;

// A daemon that answers wrongly or not at all under load still gives a report.
// ERRORS: nothing could be measured: no daemon, no right to use it, not enough descriptors; the message says
// what to do.
Result<Report> measure(const Options& options, const PhaseObserver& observer);

}  // namespace runwire
