// A process that the test forks itself, with no loop and no spawner; killed and reaped at the latest with its end.
#pragma once

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

namespace runwire::test {

class ForkedChild {
 public:
  // Runs `body` in a child, whose exit status is what it returns.
  template <class Body> explicit ForkedChild(Body body) : pid_(fork()) {
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) _exit(body());
  }
  ForkedChild(const ForkedChild&) = delete;
  ForkedChild& operator=(const ForkedChild&) = delete;
  ~ForkedChild() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    wait();
  }

  pid_t pid() const { return pid_; }
  pid_t release() { return std::exchange(pid_, 0); }  // somebody else reaps it
  bool is_alive() const {
    siginfo_t ended{};
    return waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           ended.si_pid == 0;
  }
  // Waits for its end; the exit status, or minus the signal that killed it.
  int wait() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  }

 private:
  pid_t pid_;
};

// For a child that has nothing to do but live.
inline int live() {
  for (;;) pause();
}

}  // namespace runwire::test
