// Ctrl-C as an event that a wait can see, instead of the end of the program.
#pragma once

#include <signal.h>

#include "client/unique_fd.hpp"
#include "proto/result.hpp"

namespace runwire {

// While it lives, SIGINT makes fd() readable and does nothing else; afterwards it does what it did before.
// One at a time in a process.
class Interrupt {
 public:
  // ERRORS: io (no descriptors left).
  static Result<Interrupt> install();

  Interrupt(Interrupt&& other) noexcept;
  Interrupt& operator=(Interrupt&&) = delete;
  ~Interrupt();

  int fd() const { return read_end_.get(); }
  // True if there was a Ctrl-C since the last call; from now on there was none.
  bool take();

 private:
  Interrupt(UniqueFd read_end, UniqueFd write_end);

  UniqueFd read_end_, write_end_;
  struct sigaction before_ = {};
};

}  // namespace runwire
