// Whether two starts ask for the same: what is kept of each are two digests and its size. They tell apart what differs
// by chance or by mistake; whoever wants to deceive may run any command anyway.
#pragma once

#include <cstdint>
#include <string_view>

#include "proto/client_message.hpp"

namespace runwire {

struct Fingerprint {
  std::uint64_t one = 0, other = 0;
  std::uint64_t bytes = 0;
  bool operator==(const Fingerprint&) const = default;
};

// Of all that the start says but its id, however its header was written.
Fingerprint fingerprint_of(const Start& start, std::string_view payload);

// The same in every daemon.
std::uint64_t digest(std::string_view bytes, std::uint64_t seed);

}  // namespace runwire
