#include "client/destination.hpp"

#include <optional>
#include <string>
#include <utility>

namespace runwire {
namespace {

constexpr std::string_view kDefaultWord = ".";

Result<std::optional<HostEntry>> find_name(std::string_view word, const Environment& environment) {
  if (!can_name_a_host(word) || !environment.hosts) return std::optional<HostEntry>();
  const auto hosts = environment.hosts();
  RUNWIRE_TRY(hosts);
  const auto found = hosts->find(word);
  return found == hosts->end() ? std::optional<HostEntry>() : found->second;
}

// Who writes a port behind a name gets what the name resolves to, not the entry.
std::string hint_at_name(std::string_view word, const Address& address, const Environment& environment) {
  const bool is_number = address.host.find_first_not_of("0123456789.") == std::string::npos;
  if (is_number || address.host == word) return "";
  const auto entry = find_name(address.host, environment);
  return entry && *entry ? "; '" + address.host + "' is a name of hosts.toml, which has its own address" : "";
}

Destination of_address(Address address, bool own_server_only) {
  Destination destination;
  destination.entry.address = std::move(address);
  destination.own_server_only = own_server_only;
  return destination;
}

}  // namespace

Result<Destination> find_destination(std::string_view word, std::uint16_t port,
                                     const Environment& environment) {
  const bool is_default = word.empty() || word == kDefaultWord;
  const std::string_view name = is_default ? environment.runwire_host : word;
  if (name.empty())
    return of_address({default_socket_path(environment.xdg_runtime_dir, environment.uid), "", 0}, true);
  auto entry = find_name(name, environment);
  RUNWIRE_TRY(entry);
  if (entry->has_value()) return Destination{std::move(**entry), true, false};
  auto address = parse_address(name, port);
  if (address) {
    Destination destination = of_address(std::move(*address), false);
    destination.hint = hint_at_name(name, destination.entry.address, environment);
    return destination;
  }
  const Error& error = address.error();
  return is_default ? Error{error.code, "RUNWIRE_HOST: " + error.message}
                    : Error{error.code, error.message + "; the first word is HOST, `.` is the default one"};
}

void set_destination(CommandRequest& request, const Destination& destination) {
  const HostEntry& entry = destination.entry;
  request.address = entry.address;
  request.own_server_only = destination.own_server_only;
  request.address_hint = destination.hint;
  request.cwd = entry.workdir;
  request.words.environment = entry.environment;
  request.connect_timeout = entry.connect_timeout.value_or(request.connect_timeout);
  request.linger = entry.linger.value_or(request.linger);
}

}  // namespace runwire
