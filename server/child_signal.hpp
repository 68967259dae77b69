// The daemon's answer to SIGCHLD: a descriptor, because a handler interrupts whatever goes on and must write to a
// pipe that the loop then reads. Other threads must not take the signal, so theirs is blocked as well: they inherit it.
// Linux only.
#pragma once

#ifdef __linux__

#include <sys/types.h>

#include <csignal>

#include "server/descriptor.hpp"

namespace runwire {

// While it lives this thread, and those that it makes, do not get SIGCHLD; then it is again as it was.
class ChildSignal {
 public:
  ChildSignal();
  ChildSignal(const ChildSignal&) = delete;
  ChildSignal& operator=(const ChildSignal&) = delete;
  ~ChildSignal();

  int descriptor() const { return fd_.get(); }  // can be read when a child has ended
  // One of the children that have ended; 0 for none. There is only one signal pending at a time, for any number.
  pid_t take() const;

 private:
  struct sigaction action_before_ {};
  sigset_t set_{}, before_{};
  Descriptor fd_;
};

}  // namespace runwire

#endif
