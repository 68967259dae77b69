// A time in which no signal comes to this thread, nor ever to a thread that is made in it.
//
// libuv's pool makes its threads when it is first given work, and they inherit the mask of that moment. They are to
// take no signal: those that end the daemon wait at times, and SIGCHLD is read from a descriptor. Made beforehand they
// would cost every command a thousand instructions, for the C library does without locks as long as there is one
// thread.
#pragma once

#include <csignal>

namespace runwire {

class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

}  // namespace runwire
