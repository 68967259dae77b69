// What this daemon is and how it was built; a benchmark needs to know.
#pragma once

#include <string>

namespace runwire {

// `runwired 0.1.0 (release, gcc 12.2.0, asserts off, sanitizers off, libuv 1.44.2)`
std::string version_line();

}  // namespace runwire
