// A property that must hold of any input: a fuzzer stops where it does not.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace runwire::fuzz {

inline void require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", property);
  std::abort();
}

}  // namespace runwire::fuzz
