// A descriptor that this program was given, so that others may hold it too: its flags are theirs as well and are
// neither relied on nor changed, O_NONBLOCK above all.
#pragma once

#include <cstddef>
#include <string_view>

#include "client/unique_fd.hpp"

namespace runwire {

class SharedDescriptor {
 public:
  // `fd` belongs to the caller and outlives this.
  explicit SharedDescriptor(int fd);

  int fd() const { return fd_; }

  struct Moved {
    std::size_t bytes = 0;
    int error = 0;  // errno of the call, EAGAIN: nothing can be moved now; 0: none
  };

  // Up to `size` bytes that are there; 0 without an error: the end.
  Moved read_now(char* buffer, std::size_t size);

  // As many bytes as it takes now. A regular file takes all, and waits for its disk.
  Moved write_now(std::string_view bytes);

 private:
  enum class Kind { socket, file, stream };

  Moved write_stream(std::string_view bytes);

  int fd_;
  UniqueFd own_;  // of a terminal: the same one, opened anew for writing, so that these flags are ours
  Kind kind_;
  bool can_refuse_to_wait_ = true;  // as far as is known, the system moves bytes of it without waiting
};

}  // namespace runwire
