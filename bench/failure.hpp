// What can go wrong with one command of a load: the closed list by which the report counts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace runwire {

enum class Failure {
  refused,       // nobody listens
  reset,         // the connection broke while the command was under way
  closed,        // the daemon closed the connection before the whole reply was there
  timeout,       // no whole reply in time
  unsent,        // open loop: due, but all connections were busy until the run was over
  busy,          // the daemon said so, in a frame
  server_error,  // another error frame
  status,        // the reply's exit status is not the expected one
  bytes,         // the reply's payload is not the expected one, in length or in a byte
  protocol,      // what came is no frame, or came unasked
  local,         // this side ran out of something: descriptors, ports, memory
};
inline constexpr std::size_t kFailureKinds = static_cast<std::size_t>(Failure::local) + 1;

using FailureCounts = std::array<std::uint64_t, kFailureKinds>;

// As the report says it ("wrong bytes") and as JSON and CSV do ("wrong_bytes").
std::string_view title_of(Failure failure);
std::string_view key_of(Failure failure);

// Which failure an errno of connect, send or recv is.
Failure failure_of_errno(int error);

}  // namespace runwire
