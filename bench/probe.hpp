// The first command of a bench, sent before any load: is a daemon there, does it answer, and with what?
#pragma once

#include <string_view>

#include "bench/clock.hpp"
#include "bench/reply_check.hpp"
#include "client/channel.hpp"
#include "proto/result.hpp"

namespace runwire {

// Runs `command` once and returns its reply as what is to be expected of all others.
// ERRORS: refused (an error frame: the daemon does not run it), timeout (none within `timeout`), closed,
// protocol, io.
Result<Expectation> ask_once(Channel& channel, std::string_view command, Nanoseconds timeout);

}  // namespace runwire
