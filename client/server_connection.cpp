#include "client/server_connection.hpp"

#include <unistd.h>

#include <string>

namespace runwire {
namespace {

Status check_owner(const Channel& channel, const Address& address) {
  const auto owner = channel.peer_user();
  const bool trusted = owner && (*owner == ::geteuid() || *owner == 0);
  if (trusted) return Ok{};
  const std::string whose = owner ? "user " + std::to_string(*owner) : "an unknown user";
  return Error{Errc::refused,
               to_string(address) + " is a server of " + whose +
                   ", who would see the commands; start your own runwired, or name it as HOST"};
}

}  // namespace

Result<Channel> connect_to_server(const Address& address, bool own_server_only,
                                  std::chrono::milliseconds timeout) {
  auto channel = Channel::connect(address, timeout);
  if (channel && own_server_only) RUNWIRE_TRY(check_owner(*channel, address));
  return channel;
}

}  // namespace runwire
