#include "client/channel.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string>

#include "client/dial.hpp"

namespace runwire {
namespace {

#ifdef MSG_NOSIGNAL
constexpr int kSendFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
#else
constexpr int kSendFlags = MSG_DONTWAIT;  // macOS: SO_NOSIGPIPE on the socket does it
#endif

template <class T> void set_option(int fd, int level, int name, const T& value) {
  ::setsockopt(fd, level, name, &value, sizeof value);  // each only makes things faster or ends them clearer
}

void tune(int fd, bool tcp) {
  if (tcp) set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_LINGER, linger{1, 0});
#ifdef SO_NOSIGPIPE
  set_option(fd, SOL_SOCKET, SO_NOSIGPIPE, 1);
#endif
}

Error transfer_error(const char* call, int code) {
  const bool gone = code == ECONNRESET || code == EPIPE || code == ENOTCONN;
  const std::string why = std::string(call) + ": " + std::strerror(code);
  return {gone ? Errc::closed : Errc::io, gone ? why + "; the server ended the connection" : why};
}

Error stalled(std::chrono::milliseconds patience) {
  return {Errc::timeout, "write: the server took nothing for " + std::to_string(patience.count()) + " ms"};
}

bool would_wait(int code) { return code == EAGAIN || code == EWOULDBLOCK; }

// For poll(2): -1 without a deadline.
int milliseconds_until(Channel::Deadline deadline) {
  if (!deadline) return -1;
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(*deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<long long>(left.count(), 0, INT_MAX));
}

}  // namespace

Result<Channel> Channel::connect(const Address& address, std::chrono::milliseconds timeout) {
  auto fd = dial(address, timeout);
  if (!fd) return fd.error();
  tune(fd->get(), !address.is_unix());
  return Channel(std::move(*fd));
}

Result<short> Channel::await(short events, Deadline deadline) const {
  for (;;) {
    pollfd watched[] = {{fd_.get(), events, 0}, {interrupt_fd_, POLLIN, 0}};  // poll ignores a negative fd
    const int n = ::poll(watched, 2, milliseconds_until(deadline));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return transfer_error("poll", errno);
    if (n == 0) return Error{Errc::timeout, "the server did not answer in time"};
    if (watched[1].revents != 0) return Error{Errc::closed, "interrupted"};
    return watched[0].revents;
  }
}

Result<std::size_t> Channel::read_some(char* buffer, std::size_t size, Deadline deadline) {
  const bool may_have_to_stop = deadline || interrupt_fd_ >= 0;
  for (;;) {
    // Waiting first even if bytes are there: a peer that never pauses must not make us deaf to the interrupt.
    if (may_have_to_stop) RUNWIRE_TRY(await(POLLIN, deadline));
    const ssize_t n = ::recv(fd_.get(), buffer, size, may_have_to_stop ? MSG_DONTWAIT : 0);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EINTR && !(may_have_to_stop && would_wait(errno))) return transfer_error("read", errno);
  }
}

Result<Written> Channel::write_all(std::string_view bytes, std::chrono::milliseconds patience) {
  auto deadline = std::chrono::steady_clock::now() + patience;
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), kSendFlags);
    if (n >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
      deadline = std::chrono::steady_clock::now() + patience;
      continue;
    }
    if (errno == EINTR) continue;
    if (!would_wait(errno)) return transfer_error("write", errno);
    const auto ready = await(POLLIN | POLLOUT, deadline);
    if (!ready && ready.error().code == Errc::timeout) return stalled(patience);
    RUNWIRE_TRY(ready);
    if ((*ready & POLLOUT) == 0 && (*ready & POLLIN) != 0) return Written::stopped_by_answer;
  }
  return Written::whole;
}

Result<std::optional<std::size_t>> Channel::read_now(char* buffer, std::size_t size) {
  for (;;) {
    const ssize_t n = ::recv(fd_.get(), buffer, size, MSG_DONTWAIT);
    if (n >= 0) return std::optional(static_cast<std::size_t>(n));
    if (would_wait(errno)) return std::optional<std::size_t>();
    if (errno != EINTR) return transfer_error("read", errno);
  }
}

Result<std::size_t> Channel::write_now(std::string_view first, std::string_view second) {
  iovec parts[] = {{const_cast<char*>(first.data()), first.size()},  // sendmsg(2) does not write there
                   {const_cast<char*>(second.data()), second.size()}};
  msghdr message = {};
  message.msg_iov = parts;
  message.msg_iovlen = second.empty() ? 1 : 2;
  for (;;) {
    const ssize_t n = ::sendmsg(fd_.get(), &message, kSendFlags);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (would_wait(errno)) return std::size_t{0};
    if (errno != EINTR) return transfer_error("write", errno);
  }
}

bool Channel::has_input() const {
  pollfd watched = {fd_.get(), POLLIN, 0};
  return ::poll(&watched, 1, 0) > 0;
}

std::optional<uid_t> Channel::peer_user() const {
#ifdef SO_PEERCRED
  ucred credentials = {};
  socklen_t size = sizeof credentials;
  const bool told = ::getsockopt(fd_.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0;
  const uid_t user = credentials.uid;
#else
  uid_t user = 0;
  gid_t group = 0;
  const bool told = ::getpeereid(fd_.get(), &user, &group) == 0;
#endif
  return told && user != static_cast<uid_t>(-1) ? std::optional(user) : std::nullopt;
}

void Channel::close_orderly() {
  set_option(fd_.get(), SOL_SOCKET, SO_LINGER, linger{0, 0});
  fd_.reset();
}

}  // namespace runwire
