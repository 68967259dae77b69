// A connected stream socket as a blocking client uses it: bytes out, bytes in, deadlines, no signals.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string_view>

#include "client/unique_fd.hpp"
#include "proto/address.hpp"
#include "proto/result.hpp"

namespace runwire {

// How much of what was to be written has gone out.
enum class Written {
  whole,
  stopped_by_answer,  // the peer takes no more and has already begun to answer: read on, the rest was not sent
};

// How long a peer may take no byte at all of what is written to it: a server always reads while it runs nothing, so
// one that does not has stopped. For its answer there is no such limit, because a command may run for days.
inline constexpr std::chrono::milliseconds kWritePatience{30000};

class Channel {
 public:
  using Deadline = std::optional<std::chrono::steady_clock::time_point>;

  // Connects as dial() does, with its errors. TCP_NODELAY is set, and SO_LINGER {1, 0}: whatever ends this
  // process, be it SIGKILL, the connection is then reset and the server learns at once that nobody waits for
  // the command any more. A FIN could also be the half-close of a client that still wants its answer.
  static Result<Channel> connect(const Address& address, std::chrono::milliseconds timeout);

  // Up to `size` bytes, at least one; 0 = the peer has ended its side. Without a deadline it waits for ever.
  // ERRORS: closed (reset by the peer, or interrupted, see below), timeout, io.
  Result<std::size_t> read_some(char* buffer, std::size_t size, Deadline deadline = std::nullopt);

  // Writes all bytes, without SIGPIPE. It never deadlocks with a peer that answers before it has read
  // everything: it then stops, see Written. `patience` begins anew with every byte that the peer takes.
  // ERRORS: closed (the peer has gone, or interrupted), timeout (it took nothing for so long), io.
  Result<Written> write_all(std::string_view bytes, std::chrono::milliseconds patience = kWritePatience);

  // For who waits for several things at once: they never do. Absent: no bytes are there now; 0 = the peer has ended
  // its side. ERRORS: closed, io.
  Result<std::optional<std::size_t>> read_now(char* buffer, std::size_t size);
  // As much of `first` and then `second` as the peer takes now; 0: nothing. ERRORS: closed, io.
  Result<std::size_t> write_now(std::string_view first, std::string_view second = {});

  // True if read_some() would not wait: bytes or the end are there. Between a request and the next this means
  // that the peer has closed, or sends what nobody asked for.
  bool has_input() const;

  // From now on a wait in read_some() or write_all() ends with Errc::closed as soon as `fd` is readable; -1:
  // never. `fd` belongs to the caller and must outlive the channel.
  void interrupt_when_readable(int fd) { interrupt_fd_ = fd; }

  // The user whose server is at the other end of a Unix socket; empty where the system does not tell, and on TCP.
  std::optional<uid_t> peer_user() const;

  // Nothing is owed in either direction: closes with a FIN instead of a reset. Just destroying it resets.
  void close_orderly();
  void abandon() { fd_.reset(); }

  int fd() const { return fd_.get(); }  // stays the channel's

 private:
  explicit Channel(UniqueFd fd) : fd_(std::move(fd)) {}
  // Waits until `events` (poll(2)) or the peer's bytes are there; gives what is.
  Result<short> await(short events, Deadline deadline) const;

  UniqueFd fd_;
  int interrupt_fd_ = -1;
};

}  // namespace runwire
