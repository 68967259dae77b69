// How a binary was built, as far as it matters to a measurement.
#pragma once

#include <string>
#include <string_view>

namespace runwire {

// "runwire-bench 0.1.0 (release, gcc 12.2.0, asserts off, sanitizers off)", as runwired --version has it.
std::string bench_build();

// What makes the binary that describes itself so slower than a release: "asserts are on", "sanitizers are
// on", both, or nothing. A text of another form gives nothing.
std::string slowed_by(std::string_view build);

}  // namespace runwire
