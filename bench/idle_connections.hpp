// Connections that ask nothing and are only there: what thousands of idle clients cost the others.
#pragma once

#include <cstddef>
#include <vector>

#include "bench/clock.hpp"
#include "client/channel.hpp"
#include "proto/address.hpp"
#include "proto/result.hpp"

namespace runwire {

class IdleConnections {
 public:
  // Opens `count` connections, one after the other. ERRORS: as Channel::connect(), for the first that fails,
  // saying which it was.
  static Result<IdleConnections> open(const Address& address, std::size_t count, Nanoseconds timeout);

  IdleConnections() = default;
  IdleConnections(IdleConnections&&) = default;
  IdleConnections& operator=(IdleConnections&&) = default;
  ~IdleConnections();  // closes them, without a reset

  std::size_t count() const { return channels_.size(); }

  // How many of them the daemon has closed (or has sent something on) since.
  std::size_t lost() const;

 private:
  std::vector<Channel> channels_;
};

// Makes room for `needed` descriptors in all: raises the soft limit as far as the hard one allows.
// ERRORS: invalid_argument, saying which limit has to be raised.
Status allow_descriptors(std::size_t needed);

}  // namespace runwire
