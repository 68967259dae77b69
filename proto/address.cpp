#include "proto/address.hpp"

#include <charconv>
#include <optional>

namespace runwire {
namespace {

constexpr std::string_view kExamples = " (write host:port, [::1]:port or unix:/path)";

Error wrong(std::string_view text, std::string_view why) {
  return {Errc::invalid_argument,
          "address '" + std::string(text) + "': " + std::string(why) + std::string(kExamples)};
}

std::optional<std::uint16_t> parse_port(std::string_view digits) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return port;
}

bool consume(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

Result<Address> unix_address(std::string_view whole, std::string_view path) {
  if (!path.starts_with('/')) return wrong(whole, "a Unix socket needs an absolute path");
  if (path.find('\0') != path.npos) return wrong(whole, "a path cannot hold a NUL byte");
  return Address{std::string(path), "", 0};
}

struct HostAndPort {
  std::string_view host;
  std::optional<std::string_view> port;
};

std::optional<HostAndPort> split_host(std::string_view text) {
  if (consume(text, "[")) {
    const auto bracket = text.find(']');
    if (bracket == text.npos) return std::nullopt;
    const std::string_view rest = text.substr(bracket + 1);
    if (rest.empty()) return HostAndPort{text.substr(0, bracket), std::nullopt};
    if (rest[0] != ':') return std::nullopt;
    return HostAndPort{text.substr(0, bracket), rest.substr(1)};
  }
  const auto colon = text.find(':');
  const bool bare_ipv6 = colon != text.npos && text.find(':', colon + 1) != text.npos;
  if (colon == text.npos || bare_ipv6) return HostAndPort{text, std::nullopt};
  return HostAndPort{text.substr(0, colon), text.substr(colon + 1)};
}

}  // namespace

Result<Address> parse_address(std::string_view whole, std::uint16_t default_port) {
  std::string_view text = whole;
  if (consume(text, "unix://") || consume(text, "unix:") || text.starts_with('/'))
    return unix_address(whole, text);
  consume(text, "tcp://");
  const auto parts = split_host(text);
  if (!parts || parts->host.find_first_of("[]") != parts->host.npos)
    return wrong(whole, "the brackets do not enclose a host");
  if (parts->host.empty()) return wrong(whole, "the host is missing");
  if (parts->host == "unix") return wrong(whole, "a Unix socket needs an absolute path");
  if (parts->host.starts_with('-')) return wrong(whole, "a host cannot start with '-'");
  if (parts->host.find_first_of(std::string_view(" \t\n\0/", 5)) != parts->host.npos)
    return wrong(whole, "a host cannot hold a blank or a slash");
  const auto port = parts->port ? parse_port(*parts->port) : std::optional(default_port);
  if (!port) return wrong(whole, "the port must be a number from 0 to 65535");
  return Address{"", std::string(parts->host), *port};
}

std::string to_string(const Address& address) {
  if (address.is_unix()) return "unix:" + address.unix_path;
  const bool ipv6 = address.host.find(':') != address.host.npos;
  return (ipv6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

std::string default_socket_dir(std::string_view xdg_runtime_dir, unsigned uid) {
  return xdg_runtime_dir.starts_with('/') ? std::string(xdg_runtime_dir)
                                          : "/tmp/runwire-" + std::to_string(uid);
}

std::string default_socket_path(std::string_view xdg_runtime_dir, unsigned uid) {
  return default_socket_dir(xdg_runtime_dir, uid) + "/runwire.sock";
}

}  // namespace runwire
