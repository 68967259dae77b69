// Where the word HOST leads.
#pragma once

#include <cstdint>
#include <string_view>

#include "client/hosts.hpp"
#include "client/invocation.hpp"
#include "proto/result.hpp"

namespace runwire {

struct Destination {
  HostEntry entry;               // of an address that was written out: the address alone
  bool is_named = false;         // by hosts.toml
  bool own_server_only = false;  // nobody named it, see RemoteShell::Options
  std::string hint = {};         // what may be wrong with it, for when nothing listens there
};

// A name of hosts.toml, else an address as parse_address() reads it. Nothing, or `.`, is the default: RUNWIRE_HOST,
// which is either of these too, else the user's own socket. A missing port is `port`.
// ERRORS: invalid_argument, io (hosts.toml).
Result<Destination> find_destination(std::string_view word, std::uint16_t port,
                                     const Environment& environment);

// The destination's part of a request.
void set_destination(CommandRequest& request, const Destination& destination);

}  // namespace runwire
