#include "client/dial.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string>

#include "client/resolver.hpp"

namespace runwire {
namespace {

using Clock = std::chrono::steady_clock;

struct Attempt {
  const Address& target;  // as the user wrote it; for messages
  std::chrono::milliseconds timeout;
  Clock::time_point deadline;
};

Error cannot(const Attempt& attempt, Errc code, const std::string& why_and_what_next) {
  return {code, "cannot connect to " + to_string(attempt.target) + ": " + why_and_what_next};
}

std::string time_allowed(const Attempt& attempt) {
  const auto ms = attempt.timeout.count();
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + " s" : std::to_string(ms) + " ms";
}

Error timed_out(const Attempt& attempt) {
  return cannot(attempt, Errc::timeout,
                "no answer within " + time_allowed(attempt) +
                    "; check the address and the firewall, or allow more time");
}

Error connect_error(const Attempt& attempt, int code) {
  switch (code) {
    case ECONNREFUSED:
      return cannot(attempt, Errc::refused, "connection refused; start runwired there, or name another HOST");
    case ENOENT:
      return cannot(attempt, Errc::refused, "no such socket; start runwired, or name another HOST");
    case EACCES:
    case EPERM:
      return cannot(attempt, Errc::refused,
                    "permission denied; run as the user whose runwired this is, or start your own");
    case ETIMEDOUT:
      return timed_out(attempt);
    default:
      return cannot(attempt, Errc::io,
                    std::string(std::strerror(code)) + "; check the address, or name another HOST");
  }
}

Status set_flags(int fd, bool blocking) {
  const int flags = ::fcntl(fd, F_GETFL);
  const int wanted = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
  if (flags < 0 || ::fcntl(fd, F_SETFL, wanted) < 0 || ::fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
    return Error{Errc::io, std::string("fcntl: ") + std::strerror(errno)};
  return Ok{};
}

// 0 once connected, else the errno that ended the attempt.
int await_connected(int fd, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd ready = {fd, POLLOUT, 0};
    const int n = ::poll(&ready, 1, static_cast<int>(std::clamp<long long>(left, 0, INT_MAX)));
    if (n == 0) return ETIMEDOUT;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    int failure = 0;
    socklen_t size = sizeof failure;
    return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size) < 0 ? errno : failure;
  }
}

// A Unix socket whose queue is full answers a non-blocking connect with EAGAIN, and poll would not tell when
// there is room again; the time limit of a blocking one is SO_SNDTIMEO (unix(7)).
Status limit_sending(int fd, std::chrono::milliseconds limit) {
  const auto count = limit.count();
  timeval value = {};
  value.tv_sec = static_cast<decltype(value.tv_sec)>(count / 1000);
  value.tv_usec = static_cast<decltype(value.tv_usec)>(count % 1000 * 1000);
  if (::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &value, sizeof value) < 0)
    return Error{Errc::io, std::string("setsockopt(SO_SNDTIMEO): ") + std::strerror(errno)};
  return Ok{};
}

Result<UniqueFd> dial_path(const Attempt& attempt, const sockaddr_un& to) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
  if (!fd) return connect_error(attempt, errno);
  RUNWIRE_TRY(set_flags(fd.get(), true));
  RUNWIRE_TRY(limit_sending(fd.get(), std::max(attempt.timeout, std::chrono::milliseconds(1))));
  int failure = 0;
  do failure = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0 ? 0 : errno;
  while (failure == EINTR);
  if (failure == EAGAIN || failure == EINPROGRESS) return timed_out(attempt);
  if (failure != 0) return connect_error(attempt, failure);
  RUNWIRE_TRY(limit_sending(fd.get(), std::chrono::milliseconds(0)));
  return fd;
}

Result<UniqueFd> dial_unix(const Attempt& attempt) {
  const std::string& path = attempt.target.unix_path;
  sockaddr_un to = {};
  to.sun_family = AF_UNIX;
  if (path.size() >= sizeof to.sun_path)
    return cannot(attempt, Errc::invalid_argument,
                  "the path has " + std::to_string(path.size()) + " bytes and a socket's may have " +
                      std::to_string(sizeof to.sun_path - 1) + "; use a shorter one");
  std::memcpy(to.sun_path, path.data(), path.size());
  return dial_path(attempt, to);
}

Result<UniqueFd> dial_ip(const Attempt& attempt, const addrinfo& to, Clock::time_point deadline) {
  UniqueFd fd(::socket(to.ai_family, SOCK_STREAM, 0));
  if (!fd) return connect_error(attempt, errno);
  RUNWIRE_TRY(set_flags(fd.get(), false));
  int failure = ::connect(fd.get(), to.ai_addr, to.ai_addrlen) == 0 ? 0 : errno;
  if (failure == EINPROGRESS || failure == EINTR) failure = await_connected(fd.get(), deadline);
  if (failure != 0) return connect_error(attempt, failure);
  RUNWIRE_TRY(set_flags(fd.get(), true));
  return fd;
}

Error resolve_error(const Attempt& attempt, const Error& error) {
  const std::string host = "host '" + attempt.target.host + "'";
  switch (error.code) {
    case Errc::timeout:
      return cannot(attempt, error.code,
                    host + " was not found within " + time_allowed(attempt) +
                        "; use an address in numbers, or allow more time");
    case Errc::invalid_argument:
      return cannot(
          attempt, error.code,
          host + " is unknown (" + error.message + "); check the name, or use an address in numbers");
    default:
      return cannot(attempt, error.code, error.message + "; use an address in numbers");
  }
}

// Each address gets its share of the time that is left: a silent first one (an IPv6 route that goes nowhere)
// must not use up what a good second one needs.
Result<UniqueFd> dial_host(const Attempt& attempt) {
  auto addresses = resolve(attempt.target.host, attempt.target.port, attempt.deadline);
  if (!addresses) return resolve_error(attempt, addresses.error());
  int untried = 0;
  for (const addrinfo* to = addresses->get(); to != nullptr; to = to->ai_next) ++untried;
  Result<UniqueFd> last = cannot(attempt, Errc::io, "the host has no address; name another HOST");
  for (const addrinfo* to = addresses->get(); to != nullptr && !last.ok(); to = to->ai_next, --untried)
    last = dial_ip(attempt, *to, Clock::now() + (attempt.deadline - Clock::now()) / untried);
  return last;
}

}  // namespace

Result<UniqueFd> dial(const Address& address, std::chrono::milliseconds timeout) {
  const Attempt attempt = {address, timeout, Clock::now() + timeout};
  return address.is_unix() ? dial_unix(attempt) : dial_host(attempt);
}

}  // namespace runwire
