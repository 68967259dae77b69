#ifdef __linux__

#include "server/birth.hpp"

#include <linux/close_range.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <climits>
#include <csignal>

#include "server/spawn_program.hpp"

namespace runwire {
namespace {

// The kernel's own sigaction: libc's would take locks and run sanitizers' code in borrowed memory.
using KernelSignalSet = std::array<unsigned long, 8 / sizeof(unsigned long)>;
struct KernelSigaction {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)();
  KernelSignalSet mask;
};

#define RUNWIRE_IN_CHILD __attribute__((no_sanitize("address", "undefined")))

// System calls that return a negative errno: the thread-local errno of libc is the loop's, which goes on beside
// the child. Where we do not know how to make them, the loop has to wait (CLONE_VFORK).
#if defined(__x86_64__)

constexpr int kWaitForExec = 0;

RUNWIRE_IN_CHILD inline long in_child(long number, long a = 0, long b = 0, long c = 0, long d = 0,
                                      long e = 0) {
  register long fourth __asm__("r10") = d;
  register long fifth __asm__("r8") = e;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth)
                   : "rcx", "r11", "memory");
  return result;
}

#elif defined(__aarch64__)

constexpr int kWaitForExec = 0;

RUNWIRE_IN_CHILD inline long in_child(long number, long a = 0, long b = 0, long c = 0, long d = 0,
                                      long e = 0) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return x0;
}

#else

constexpr int kWaitForExec = CLONE_VFORK;

RUNWIRE_IN_CHILD inline long in_child(long number, long a = 0, long b = 0, long c = 0, long d = 0,
                                      long e = 0) {
  const long result = syscall(number, a, b, c, d, e);
  return result == -1 ? -errno : result;
}

#endif

constexpr const char* kDescriptorStage = "pipe";
constexpr const char* kExecStage = "exec";

long word(const void* pointer) { return reinterpret_cast<long>(pointer); }

RUNWIRE_IN_CHILD void fail_child(ChildStart& start, const char* stage, long result) {
  start.failed_errno = static_cast<int>(-result);
  start.failed_stage = stage;
  in_child(SYS_exit_group, 127);
}

// From here on the descriptors are the child's own.
RUNWIRE_IN_CHILD long leave_shared_table(const ChildStart& start) {
  if (start.share_below == 0) return 0;
  if (in_child(SYS_close_range, start.share_below, UINT_MAX, CLOSE_RANGE_UNSHARE) == 0) return 0;
  return in_child(SYS_unshare, CLONE_FILES);  // before Linux 5.9
}

RUNWIRE_IN_CHILD long take_descriptors(const ChildStart& start) {
  for (int fd = 0; fd < 3; ++fd)
    if (const long result = in_child(SYS_dup3, start.stdio[fd], fd, 0); result < 0) return result;
  if (start.script_fd < 0) return 0;
  if (start.script_fd == kScriptFd) return in_child(SYS_fcntl, kScriptFd, F_SETFD, 0);
  return in_child(SYS_dup3, start.script_fd, kScriptFd, 0);
}

RUNWIRE_IN_CHILD void reset_signals(const ChildStart& start) {
  const KernelSigaction by_default{};
  const KernelSignalSet none{};
  for (const int* number = start.signals_to_reset; *number != 0; ++number)
    in_child(SYS_rt_sigaction, *number, word(&by_default), 0, sizeof by_default.mask);
  in_child(SYS_rt_sigprocmask, SIG_SETMASK, word(&none), 0, sizeof none);
}

RUNWIRE_IN_CHILD void apply_settings(ChildStart& start) {
  const ChildSettings& settings = start.settings;
  if (settings.has_umask) in_child(SYS_umask, settings.umask);
  if (settings.has_nice)
    if (const long result = in_child(SYS_setpriority, PRIO_PROCESS, 0, settings.nice); result < 0)
      fail_child(start, kNiceStage, result);
  if (settings.takes_terminal)
    if (const long result = in_child(SYS_ioctl, 0, TIOCSCTTY, 0); result < 0)
      fail_child(start, kTerminalStage, result);
  for (std::size_t i = 0; i < settings.limits; ++i) {
    const ResourceLimit& limit = settings.limit[i];
    if (const long result = in_child(SYS_prlimit64, 0, limit.resource, word(&limit.value), 0); result < 0)
      fail_child(start, limit.stage, result);
  }
}

// As a shell searches PATH: what is not there or may not be executed is passed over. Returns where the shell has to
// decide: when nothing was found, or something that is no program of a known format.
RUNWIRE_IN_CHILD void try_directly(const ChildStart& start) {
  for (char* const* path = start.direct_paths; *path != nullptr; ++path) {
    const long result = in_child(SYS_execve, word(*path), word(start.direct_argv), word(start.direct_envp));
    if (result != -ENOENT && result != -ENOTDIR && result != -EACCES) return;
  }
}

RUNWIRE_IN_CHILD long exec_program(const ChildStart& start, char* path) {
  const long result = in_child(SYS_execve, word(path), word(start.direct_argv), word(start.direct_envp));
  if (result != -ENOEXEC) return result;
  start.argv[1] = path;
  return in_child(SYS_execve, word(start.argv[0]), word(start.argv), word(start.envp));
}

// As execvp(3). Returns why none runs.
RUNWIRE_IN_CHILD long run_program(const ChildStart& start) {
  long none = -ENOENT;
  for (char* const* path = start.direct_paths; *path != nullptr; ++path) {
    const long result = exec_program(start, *path);
    if (!start.by_path || !is_passed_over(static_cast<int>(-result))) return result;
    if (result == -EACCES) none = result;
  }
  return none;
}

// From clone to exec only system calls may happen: the daemon goes on in the same memory.
RUNWIRE_IN_CHILD int run_child(void* argument) {
  ChildStart& start = *static_cast<ChildStart*>(argument);
  in_child(start.leads_session ? SYS_setsid : SYS_setpgid);  // setpgid(0, 0): one of its own
  in_child(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
  if (in_child(SYS_getppid) != start.daemon) fail_child(start, "fork", -ESRCH);  // it has died meanwhile
  in_child(SYS_prlimit64, 0, RLIMIT_NOFILE, word(&start.nofile), 0);
  if (start.cgroup >= 0) in_child(SYS_write, start.cgroup, word("0"), 1);
  if (const long result = leave_shared_table(start); result < 0) fail_child(start, "fork", result);
  if (const long result = take_descriptors(start); result < 0) fail_child(start, kDescriptorStage, result);
  if (const long result = in_child(SYS_chdir, word(start.cwd)); result < 0) fail_child(start, "cwd", result);
  reset_signals(start);
  apply_settings(start);
  if (start.is_program) fail_child(start, kExecStage, run_program(start));
  try_directly(start);
  fail_child(start, kExecStage,
             in_child(SYS_execve, word(start.argv[0]), word(start.argv), word(start.envp)));
  return 127;
}

}  // namespace

BirthAbilities birth_abilities() {
  Birth birth;
  birth.start.daemon = getpid();
  birth.start.share_below = 3;
  birth.start.stdio[0] = -1;  // where it is to fail
  const pid_t pid = birth.clone_child();
  if (pid < 0) return {false, false};
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) continue;
  return {true, birth.start.failed_stage == kDescriptorStage};
}

Birth::~Birth() { assert(is_over()); }

bool Birth::wait_until_over(std::chrono::milliseconds patience) const {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (const pid_t occupant = occupant_.load(std::memory_order_acquire)) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= left.zero()) return false;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
    const timespec timeout{static_cast<time_t>(seconds.count()), static_cast<long>((left - seconds).count())};
    syscall(SYS_futex, &occupant_, FUTEX_WAIT, occupant, &timeout, nullptr, 0);
  }
  return true;
}

pid_t Birth::clone_child() {
  start.failed_stage = nullptr;
  occupant_.store(1, std::memory_order_relaxed);  // until the kernel says 0
  const int shared = CLONE_VM | CLONE_CHILD_CLEARTID | (start.share_below > 0 ? CLONE_FILES : 0);
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // no handler of ours may run in the child
  const pid_t pid = clone(run_child, stack_.data() + stack_.size(), shared | kWaitForExec | SIGCHLD, &start,
                          nullptr, nullptr, &occupant_);
  const int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid > 0) return pid;
  occupant_.store(0, std::memory_order_relaxed);
  return -error;
}

}  // namespace runwire

#endif
