// A connection to a server that may be trusted with commands.
#pragma once

#include <chrono>

#include "client/channel.hpp"
#include "proto/address.hpp"

namespace runwire {

// Connects as Channel::connect() does. `own_server_only`: only to a server of this user or of root, because a default
// path in /tmp could have been taken by anybody, who would then see the commands.
// ERRORS: those of Channel::connect(); refused (it is somebody else's server).
Result<Channel> connect_to_server(const Address& address, bool own_server_only,
                                  std::chrono::milliseconds timeout);

}  // namespace runwire
