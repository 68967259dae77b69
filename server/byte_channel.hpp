// The seam between a conversation and the connection that carries it: what a session may ask of its bytes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "server/spill_file.hpp"

namespace runwire {

class ByteChannel {
 public:
  virtual ~ByteChannel() = default;

  // Sends the pieces, in order, in one write where the peer takes them. Takes the bytes over.
  virtual void send(std::vector<std::string> pieces) = 0;
  virtual void send(SpillFile::Buffer bytes, std::size_t size) = 0;
  // Sends `head` and `body`, whose bytes are the caller's again when it returns.
  virtual void send_now(std::string_view head, std::string_view body) = 0;
  // Bytes the peer has not taken yet. When it falls to 0 the session is told by drained(). Never 0 again once
  // the connection is closed: nobody takes them any more.
  virtual std::size_t unsent() const = 0;

  virtual std::string peer() const = 0;  // who is at the other end; for people

  // The session's quiet() is called unless the session is given bytes, or asks again, within `ms`.
  virtual void await_quiet(unsigned ms) = 0;

  // No more requests: sends what is queued, says so to the peer (FIN) and closes. The session's last word.
  virtual void finish() = 0;
  // Closes at once and logs why. The session's last word.
  virtual void drop(std::string_view why) = 0;
};

}  // namespace runwire
