// Tells which of many sockets can be read or written. The one place where the bench knows how its operating
// system does that: epoll on Linux, poll elsewhere. Both are level-triggered.
#pragma once

#include <poll.h>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "bench/clock.hpp"
#include "client/unique_fd.hpp"
#include "proto/result.hpp"

namespace runwire {

enum class Interest { read, read_and_write };

struct Ready {
  std::uint32_t token;  // as given to watch()
  bool readable;        // also when the peer has hung up: a read will tell
  bool writable;        // also when connecting has failed: SO_ERROR will tell
};

// Portable; a wait is as long as whole milliseconds are, and its cost grows with the number of sockets.
class PollReadiness {
 public:
  static Result<PollReadiness> create() { return PollReadiness(); }

  // REQUIRES: `fd` is not watched yet; change() and forget(): it is.
  Status watch(int fd, std::uint32_t token, Interest interest);
  void change(int fd, std::uint32_t token, Interest interest);
  void forget(int fd);

  // Replaces `ready` by what is ready now or becomes so within `timeout` (negative: no limit). It may come
  // back early with nothing, when a signal arrived.
  void wait(Nanoseconds timeout, std::vector<Ready>& ready);

 private:
  std::vector<pollfd> sockets_;
  std::vector<std::uint32_t> tokens_;     // of sockets_, at the same places
  std::vector<std::size_t> place_by_fd_;  // where in sockets_; meaningless for a descriptor not watched
};

#if defined(__linux__)

// The same, with a cost that does not depend on how many sockets are idle.
class EpollReadiness {
 public:
  // ERRORS: Errc::io, when the process or the system has no descriptor left.
  static Result<EpollReadiness> create();
  Status watch(int fd, std::uint32_t token, Interest interest);
  void change(int fd, std::uint32_t token, Interest interest);
  void forget(int fd);
  void wait(Nanoseconds timeout, std::vector<Ready>& ready);

 private:
  explicit EpollReadiness(UniqueFd epoll) : epoll_(std::move(epoll)) {}
  UniqueFd epoll_;
};

using Readiness = EpollReadiness;
#else
using Readiness = PollReadiness;
#endif

}  // namespace runwire
