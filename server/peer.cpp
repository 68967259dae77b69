#include "server/peer.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <cstring>

#ifdef __linux__
#include "server/socket_table.hpp"
#endif

namespace runwire {
namespace {

sockaddr_storage end_of(int fd, int (*name)(int, sockaddr*, socklen_t*)) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (name(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) address.ss_family = AF_UNSPEC;
  return address;
}

#ifdef __linux__

std::optional<uid_t> unix_owner(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
  return peer.uid;
}

// The peer's local end is our remote one.
std::optional<SocketOwner> tcp_peer(int fd) {
  return find_tcp_socket(end_of(fd, getpeername), end_of(fd, getsockname));
}

std::optional<uid_t> tcp_owner(int fd) {
  const auto peer = tcp_peer(fd);
  if (!peer || peer->orphan) return std::nullopt;
  return peer->uid;
}

bool tcp_peer_is_gone(int fd) {
  const auto peer = tcp_peer(fd);
  return peer && peer->orphan;
}

// On Linux POLLHUP means that both directions are shut, a half-close gives POLLRDHUP only.
bool is_hung_up(int fd) {
  pollfd state{fd, 0, 0};
  return poll(&state, 1, 0) == 1 && (state.revents & (POLLHUP | POLLERR)) != 0;
}

#else

std::optional<uid_t> unix_owner(int fd) {
  uid_t uid = 0;
  gid_t gid = 0;
  if (getpeereid(fd, &uid, &gid) != 0) return std::nullopt;
  return uid;
}

std::optional<uid_t> tcp_owner(int) { return std::nullopt; }
bool tcp_peer_is_gone(int) { return false; }

// Elsewhere POLLHUP may come with a half-close already; only a reset is certain.
bool is_hung_up(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error != 0;
}

#endif

bool is_unix(int fd) { return end_of(fd, getsockname).ss_family == AF_UNIX; }

}  // namespace

std::optional<uid_t> peer_owner(int fd) { return is_unix(fd) ? unix_owner(fd) : tcp_owner(fd); }

std::string peer_name(int fd) {
  if (is_unix(fd)) {
    const auto owner = unix_owner(fd);
    return owner ? "uid " + std::to_string(*owner) : "unknown";
  }
  const sockaddr_storage peer = end_of(fd, getpeername);
  char text[INET6_ADDRSTRLEN] = "";
  if (uv_ip_name(reinterpret_cast<const sockaddr*>(&peer), text, sizeof text) != 0) return "unknown";
  const bool is_ip6 = peer.ss_family == AF_INET6;
  std::string name(is_ip6 ? "[" : "");
  name.append(text).append(is_ip6 ? "]:" : ":");
  // Both families have the port at the same place.
  return name += std::to_string(ntohs(reinterpret_cast<const sockaddr_in*>(&peer)->sin_port));
}

bool peer_is_gone(int fd) { return is_hung_up(fd) || (!is_unix(fd) && tcp_peer_is_gone(fd)); }

}  // namespace runwire
