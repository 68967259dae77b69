// Names for commands that nobody else takes.
#pragma once

#include <cstdint>
#include <string>

#include "proto/result.hpp"

namespace runwire {

// Ten letters and digits, 50 bits from the system's randomness. ERRORS: io.
Result<std::string> random_id();

// For what is to differ from one run to the next and need not be secret.
std::uint32_t random_seed();

}  // namespace runwire
