// A connection to a server that is being made while whoever wants it does other things, and may leave.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "client/channel.hpp"

namespace runwire {

class PendingConnection {
 public:
  // From now on connect_to_server() is at work, and goes on in vain where this dies first.
  PendingConnection(const Address& address, bool own_server_only, std::chrono::milliseconds timeout);

  // Readable as soon as take() has something; -1: it has already.
  int fd() const;
  // What became of it, once. Absent: that is not yet known.
  std::optional<Result<Channel>> take();

 private:
  struct Attempt;

  std::shared_ptr<Attempt> attempt_;
};

}  // namespace runwire
