// Finds a server and connects to it: name resolution, one address after the other, a deadline.
#pragma once

#include <chrono>

#include "client/unique_fd.hpp"
#include "proto/address.hpp"
#include "proto/result.hpp"

namespace runwire {

// A connected, blocking, close-on-exec stream socket. `timeout` is for everything together: finding the
// host's addresses and trying one after the other.
// ERRORS: refused (nobody listens, no such socket, no permission), timeout, invalid_argument (unknown host, path
// too long), io (everything else). Each message names the address, the cause and the next step.
Result<UniqueFd> dial(const Address& address, std::chrono::milliseconds timeout);

}  // namespace runwire
