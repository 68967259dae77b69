#include "bench/endpoint.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace runwire {
namespace {

Result<Endpoint> unix_endpoint(const std::string& path) {
  Endpoint endpoint;
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (path.size() >= sizeof name.sun_path)
    return Error{Errc::invalid_argument, "socket path '" + path + "': longer than " +
                                             std::to_string(sizeof name.sun_path - 1) +
                                             " bytes; use a shorter directory"};
  std::memcpy(name.sun_path, path.c_str(), path.size() + 1);
  std::memcpy(&endpoint.address, &name, sizeof name);
  endpoint.size = sizeof name;
  return endpoint;
}

void prepare(int fd, int family) {
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  const int on = 1;
  if (family != AF_UNIX) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
#if defined(SO_NOSIGPIPE)
  ::setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
}

}  // namespace

Result<Endpoint> endpoint_of(int fd, const Address& address) {
  // Not asked of the socket: the daemon may know its path by another name (a bind mount, a relative one).
  if (address.is_unix()) return unix_endpoint(address.unix_path);
  Endpoint endpoint;
  endpoint.size = sizeof endpoint.address;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&endpoint.address), &endpoint.size) == 0) return endpoint;
  return Error{Errc::io, std::string("getpeername: ") + std::strerror(errno)};
}

Attempt begin_connecting(const Endpoint& endpoint) {
  const int family = endpoint.address.ss_family;
  UniqueFd fd(::socket(family, SOCK_STREAM, 0));
  if (!fd) return {Attempt::failed, {}, errno};
  prepare(fd.get(), family);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&endpoint.address), endpoint.size) == 0)
    return {Attempt::connected, std::move(fd), 0};
  const int error = errno;
  if (error == EINPROGRESS || error == EINTR) return {Attempt::under_way, std::move(fd), 0};
  return {error == EAGAIN ? Attempt::queue_full : Attempt::failed, {}, error};
}

}  // namespace runwire
