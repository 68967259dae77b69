#include "client/stdin_relay.hpp"

#include <algorithm>
#include <cstdint>

namespace runwire {
namespace {

constexpr std::size_t kUnsentBytes = std::size_t{64}
                                     << 10;  // what waits for the server before stdin waits, too

}  // namespace

std::size_t StdinRelay::room() const {
  const SessionCommand& command = link_.command();
  const bool may_send = options_.is_forwarded && command.is_started() && command.takes_stdin() &&
                        link_.session().unsent_bytes() < kUnsentBytes;
  if (!may_send) return 0;
  const std::uint64_t payload = link_.session().hello()->limits.payload;
  return static_cast<std::size_t>(
      std::min({command.stdin_room(), payload, static_cast<std::uint64_t>(RelayInput::kMost)}));
}

std::size_t StdinRelay::bytes_wanted(bool are_keys_ours) {
  if (options_.obeys_escape) return are_keys_ours ? keys_wanted() : 0;
  const bool has_some = input_.has_ended() || !input_.from(link_.command().stdin_sent()).empty();
  return has_some ? 0 : room();
}

// Also what can't be sent now.
std::size_t StdinRelay::keys_wanted() {
  if (input_.has_ended()) return 0;
  return RelayInput::kMost - std::min(input_.from(link_.command().stdin_sent()).size(), RelayInput::kMost);
}

void StdinRelay::forget_escape() {
  options_.obeys_escape = false;
  input_.forget_escape();
}

Status StdinRelay::read(bool are_keys_ours) {
  const Status read = input_.read(bytes_wanted(are_keys_ours));
  if (read && !link_.command().takes_stdin()) input_.forget_before(UINT64_MAX);
  if (read || link_.is_kept()) return read;
  return Error{
      read.error().code,
      read.error().message + "; the command is ended, for it would take this for the end of its input"};
}

// Converted, it may have become more than there is room for; on another connection, what was sent must be sent again.
Status StdinRelay::send() {
  SessionCommand& command = link_.command();
  while (options_.is_forwarded && command.is_started() && command.takes_stdin()) {
    const std::string_view unsent = input_.from(command.stdin_sent());
    const std::size_t size = std::min(unsent.size(), room());
    const bool is_last = input_.has_ended() && size == unsent.size() && !options_.obeys_escape;
    if (size == 0 && !is_last) return Ok{};
    RUNWIRE_TRY(link_.send(command.send_stdin(size, is_last), unsent.substr(0, size)));
    input_.forget_before(command.stdin_needed_from());
  }
  return Ok{};
}

}  // namespace runwire
