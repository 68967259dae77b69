// Opens connections without waiting: the measured ones, of which thousands may be under way at once. What the
// address means (names, paths, a daemon that is not there) the client library has found out before.
#pragma once

#include <sys/socket.h>

#include "client/unique_fd.hpp"
#include "proto/address.hpp"
#include "proto/result.hpp"

namespace runwire {

// Where to connect, as connect(2) takes it.
struct Endpoint {
  sockaddr_storage address{};
  socklen_t size = 0;
};

// Where the connected socket `fd` leads to, so that all further connections go to the same place, with no
// name looked up again. `address` is what `fd` was opened for.
// ERRORS: Errc::io; Errc::invalid_argument for a Unix path that does not fit.
Result<Endpoint> endpoint_of(int fd, const Address& address);

struct Attempt {
  enum Progress {
    connected,
    under_way,   // becomes writable when decided; SO_ERROR says how
    queue_full,  // a Unix listener's queue is full (Linux says EAGAIN): try again a little later; no fd
    failed,      // no fd; `error` is the errno
  } progress;
  UniqueFd fd;  // non-blocking, closed on exec, TCP_NODELAY; no SIGPIPE if sent to with kSendFlags
  int error = 0;
};
Attempt begin_connecting(const Endpoint& endpoint);

// What to give send(2) so that a vanished peer is an errno and not a signal.
#if defined(MSG_NOSIGNAL)
inline constexpr int kSendFlags = MSG_NOSIGNAL;
#else
inline constexpr int kSendFlags = 0;  // begin_connecting() has set SO_NOSIGPIPE
#endif

}  // namespace runwire
