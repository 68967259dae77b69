#include "bench/idle_connections.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <string>

namespace runwire {

Result<IdleConnections> IdleConnections::open(const Address& address, std::size_t count,
                                              Nanoseconds timeout) {
  IdleConnections idle;
  const std::chrono::milliseconds limit(timeout / kMillisecond);
  while (idle.count() < count) {
    auto channel = Channel::connect(address, limit);
    if (!channel)
      return Error{channel.error().code, "idle connection " + std::to_string(idle.count() + 1) + " of " +
                                             std::to_string(count) + ": " + channel.error().message};
    idle.channels_.push_back(std::move(*channel));
  }
  return idle;
}

IdleConnections::~IdleConnections() {
  for (Channel& channel : channels_) channel.close_orderly();
}

std::size_t IdleConnections::lost() const {
  return static_cast<std::size_t>(std::count_if(channels_.begin(), channels_.end(),
                                                [](const Channel& channel) { return channel.has_input(); }));
}

Status allow_descriptors(std::size_t needed) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return Error{Errc::io, std::string("getrlimit: ") + std::strerror(errno)};
  if (limit.rlim_cur >= needed) return Ok{};
#if defined(__APPLE__)
  limit.rlim_max = std::min<rlim_t>(limit.rlim_max, OPEN_MAX);  // setrlimit(2) takes no more there
#endif
  if (limit.rlim_max < needed)
    return Error{Errc::invalid_argument,
                 std::to_string(needed) + " descriptors are needed and the hard limit is " +
                     std::to_string(limit.rlim_max) + "; raise it (ulimit -Hn) or open fewer connections"};
  limit.rlim_cur = needed;
  if (::setrlimit(RLIMIT_NOFILE, &limit) == 0) return Ok{};
  return Error{Errc::io, std::string("setrlimit: ") + std::strerror(errno)};
}

}  // namespace runwire
