// A process that the test forks itself, with no loop and no spawner; killed and reaped at the latest with its end.
#pragma once

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/syscall.h>
#endif

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <utility>

namespace runwire::test {

class ForkedChild {
 public:
  // Runs `body` in a child, whose exit status is what it returns. Its number is `number` where that is free and the
  // system gives what is asked for.
  template <class Body> explicit ForkedChild(Body body, pid_t number = 0) : pid_(fork_as(number)) {
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
  static pid_t fork_as([[maybe_unused]] pid_t number) {
#ifdef SYS_clone3
    std::uint64_t how[10] = {};  // struct clone_args, which older headers do not have whole
    how[4] = SIGCHLD;
    how[8] = reinterpret_cast<std::uintptr_t>(&number);  // set_tid, and behind it of how many namespaces
    how[9] = 1;
    const auto pid = number == 0 ? -1 : static_cast<pid_t>(syscall(SYS_clone3, how, sizeof how));
    if (pid >= 0) return pid;
#endif
    return fork();
  }

  pid_t pid_;
};

// For a child that has nothing to do but live.
inline int live() {
  for (;;) pause();
}

}  // namespace runwire::test
