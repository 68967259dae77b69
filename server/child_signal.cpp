#ifdef __linux__

#include "server/child_signal.hpp"

#include <sys/signalfd.h>
#include <unistd.h>

namespace runwire {

ChildSignal::ChildSignal() {
  // Ignored, as whoever started us may have left it, the kernel would reap children itself and tell nobody.
  struct sigaction by_default {};
  by_default.sa_handler = SIG_DFL;
  by_default.sa_flags = SA_NOCLDSTOP;
  sigaction(SIGCHLD, &by_default, &action_before_);
  sigemptyset(&set_);
  sigaddset(&set_, SIGCHLD);
  pthread_sigmask(SIG_BLOCK, &set_, &before_);
  fd_ = Descriptor(signalfd(-1, &set_, SFD_NONBLOCK | SFD_CLOEXEC));
}

ChildSignal::~ChildSignal() {
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  sigaction(SIGCHLD, &action_before_, nullptr);
}

pid_t ChildSignal::take() const {
  signalfd_siginfo one{};
  const bool is_there = read(fd_.get(), &one, sizeof one) == sizeof one;
  return is_there ? static_cast<pid_t>(one.ssi_pid) : 0;
}

}  // namespace runwire

#endif
