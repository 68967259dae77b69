// Signals as events that a wait can see, instead of the end of the program.
#pragma once

#include <signal.h>

#include <initializer_list>
#include <vector>

#include "client/unique_fd.hpp"
#include "proto/result.hpp"

namespace runwire {

// While it lives, these signals make fd() readable and do nothing else; afterwards they do what they did before. One
// that the program was started to ignore, as nohup has it with HUP, stays ignored. One at a time in a process.
class Signals {
 public:
  // ERRORS: io (no descriptors left).
  static Result<Signals> install(std::initializer_list<int> numbers);

  Signals(Signals&& other) noexcept;
  Signals& operator=(Signals&&) = delete;
  ~Signals();

  int fd() const { return read_end_.get(); }
  // The number of the next signal that came, in their order; 0: none.
  int next();
  // True if there was one since the last call; from now on there was none.
  bool take();

 private:
  struct Before {
    int number;
    struct sigaction action;
  };

  Signals(UniqueFd read_end, UniqueFd write_end);
  void catch_signal(int number);

  UniqueFd read_end_, write_end_;
  std::vector<Before> before_;
};

}  // namespace runwire
