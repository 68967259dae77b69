// Ownership of plain descriptors, for the few places where libuv does not own them.
#pragma once

#include <poll.h>
#include <unistd.h>
#include <uv.h>

#include <utility>

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

// Whether read(2) would find bytes in it at this moment.
inline bool has_bytes_waiting(int fd) {
  pollfd state{fd, POLLIN, 0};
  return poll(&state, 1, 0) == 1 && (state.revents & POLLIN) != 0;
}

// The ends of a pipe for a child's output: ours does not block, both are closed on exec.
struct Pipe {
  Descriptor read_end, write_end;

  // 0 or a libuv error. A real pipe: what UV_CREATE_PIPE makes is a socket pair, which `echo > /dev/stdout`
  // cannot open.
  int open() {
    uv_file ends[2];
    const int error = uv_pipe(ends, UV_NONBLOCK_PIPE, 0);
    if (error == 0) *this = {Descriptor(ends[0]), Descriptor(ends[1])};
    return error;
  }
};

}  // namespace runwire
