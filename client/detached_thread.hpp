// A thread for a call that waits longer than its caller may want to. Nobody joins it: it ends with the call, or with
// the process.
#pragma once

#include <functional>

#include "proto/result.hpp"

namespace runwire {

// `body` must own all that it uses. Signals stay with the threads that know what to do about them. ERRORS: io.
Status start_detached(std::function<void()> body);

}  // namespace runwire
