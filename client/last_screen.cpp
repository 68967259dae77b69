#include "client/last_screen.hpp"

#include <algorithm>
#include <utility>

#include "client/server_connection.hpp"
#include "client/session.hpp"

namespace runwire {

namespace {

std::optional<KeptState> find_state(Session& session, const std::string& id) {
  Attach attach;
  attach.id = id;
  attach.wants_output = false;
  if (!session.await_hello() || !session.send(attach)) return std::nullopt;
  const auto event = session.await_event();
  const auto* started = event ? std::get_if<Started>(&event->message) : nullptr;
  return started != nullptr ? started->kept : std::nullopt;
}

}  // namespace

Result<std::optional<LastScreen>> find_last_screen(const CommandRequest& request, const std::string& id) {
  auto channel = connect_to_server(request.address, request.own_server_only, request.connect_timeout);
  if (!channel) return Error{channel.error().code, channel.error().message + request.address_hint};
  Session session(std::move(*channel), 0, request.connect_timeout);  // no output is to come
  const auto state = find_state(session, id);
  session.close();
  if (!state) return std::optional<LastScreen>();
  const std::uint64_t end = state->stdout_end;
  return std::optional(LastScreen{state->has_terminal, end - std::min(end, kScreenBytes)});
}

}  // namespace runwire
