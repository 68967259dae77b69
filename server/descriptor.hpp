// Ownership of plain descriptors, for the few places where libuv does not own them.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "proto/result.hpp"

namespace runwire {

// Closed when it dies, unless released.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// Another number for `fd`, which is `what`. ERRORS: there is none left.
inline Result<Descriptor> copy_of(int fd, const std::string& what) {
  Descriptor copy(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (copy.get() >= 0) return copy;
  return Error{Errc::io, "cannot keep " + what + " open: " + std::strerror(errno) +
                             "; let runwired have more open files (ulimit -n)"};
}

// Whether read(2) would find bytes in it at this moment.
inline bool has_bytes_waiting(int fd) {
  pollfd state{fd, POLLIN, 0};
  return poll(&state, 1, 0) == 1 && (state.revents & POLLIN) != 0;
}

// Whether all that could write to it, a pipe, have closed it. What they wrote may still be waiting.
inline bool is_hung_up(int fd) {
  pollfd state{fd, 0, 0};
  return poll(&state, 1, 0) == 1 && (state.revents & POLLHUP) != 0;
}

// The ends of a pipe to or from a child: ours does not block, both are closed on exec. A real pipe: what UV_CREATE_PIPE
// makes is a socket pair, which `echo > /dev/stdout` cannot open.
struct Pipe {
  Descriptor read_end, write_end;

  // 0 or a libuv error.
  int open_from_child() { return open(UV_NONBLOCK_PIPE, 0); }
  int open_to_child() { return open(0, UV_NONBLOCK_PIPE); }

 private:
  int open(int read_flags, int write_flags) {
    uv_file ends[2];
    const int error = uv_pipe(ends, read_flags, write_flags);
    if (error != 0) return error;
    read_end = Descriptor(ends[0]);
    write_end = Descriptor(ends[1]);
    return 0;
  }
};

}  // namespace runwire
