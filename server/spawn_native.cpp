// Linux's fast way to start a child. fork() copies the page tables of the daemon, so its cost grows with the
// daemon's memory, and uv_spawn() waits for it in the loop; here a thread of libuv's pool lends the child its
// memory until the exec (clone(2), CLONE_VM | CLONE_VFORK), which costs the same at any size, and the loop goes on.
// It reaps with wait4(2), so that a command's usage is known.
#ifdef __linux__

#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <csignal>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "server/descriptor.hpp"
#include "server/inheritance.hpp"
#include "server/log.hpp"
#include "server/script.hpp"
#include "server/spawn.hpp"
#include "server/uv_handle.hpp"

namespace runwire {
namespace {

// Descriptors with small numbers, kept for handing pipes to children. A child shares the daemon's table and then takes
// a copy of its lowest entries only, up to kept_below(): copying ten thousand connections for every command, to close
// them all again at its exec, costs three times the command. Each thread of the pool uses a set of its own.
class LowDescriptors {
 public:
  explicit LowDescriptors(int null) : null_(null) {
    for (Set& set : sets_)
      for (Descriptor& slot : set) slot = Descriptor(fcntl(null, F_DUPFD_CLOEXEC, kScriptFd + 1));
  }

  // Puts the set's slots in the place of stdio[1], stdio[2] and, where there is one, the script; false where this
  // thread has none.
  bool lend(int (&stdio)[3], int& script_fd) {
    const Set* set = own_set();
    if (set == nullptr) return false;
    stdio[1] = place(stdio[1], (*set)[0]);
    stdio[2] = place(stdio[2], (*set)[1]);
    if (script_fd >= 0) script_fd = place(script_fd, (*set)[2]);
    return true;
  }

  // Nothing but the child may hold the pipes' ends, or their end is never seen.
  void take_back() {
    for (const Descriptor& slot : *own_set()) place(null_, slot);
  }

  int kept_below() const {
    int highest = null_;
    for (const Set& set : sets_)
      for (const Descriptor& slot : set) highest = std::max(highest, slot.get());
    return highest + 1;
  }

 private:
  using Set = std::array<Descriptor, 3>;

  const Set* own_set() {
    thread_local const std::size_t own = next_.fetch_add(1);
    return own < sets_.size() ? &sets_[own] : nullptr;
  }

  static int place(int fd, const Descriptor& slot) {
    dup3(fd, slot.get(), O_CLOEXEC);
    return slot.get();
  }

  int null_;
  std::array<Set, 4> sets_;  // libuv's pool has four threads unless UV_THREADPOOL_SIZE says otherwise
  inline static std::atomic<std::size_t> next_ = 0;
};

// What the child is told, and what it leaves behind where it fails: it runs in our memory.
struct ChildStart {
  char* const* direct_paths;  // to be tried first, with these words; ends with null
  char* const* direct_argv;
  char* const* direct_envp;
  char* const* argv;
  char* const* envp;
  const char* cwd;
  int stdio[3];
  int script_fd;
  const std::vector<int>* signals_to_reset;
  rlimit nofile;
  pid_t daemon;
  int share_below = 0;  // the table is the daemon's, to be copied so far; 0: it is the child's already
  const char* failed_stage = nullptr;
  int failed_errno = 0;
};

// The kernel's own sigaction: libc's would take locks and run sanitizers' code in borrowed memory.
struct KernelSigaction {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)();
  unsigned long mask;
};

#define RUNWIRE_IN_CHILD __attribute__((no_sanitize("address", "undefined"), noinline))

// From clone to exec only system calls may happen: all other threads of the daemon go on in the same memory.
RUNWIRE_IN_CHILD int fail_child(ChildStart& start, const char* stage) {
  start.failed_errno = errno;
  start.failed_stage = stage;
  syscall(SYS_exit_group, 127);
  return 127;
}

// From here on the descriptors are the child's own.
RUNWIRE_IN_CHILD bool leave_shared_table(const ChildStart& start) {
  if (start.share_below == 0) return true;
  if (syscall(SYS_close_range, start.share_below, ~0U, CLOSE_RANGE_UNSHARE) == 0) return true;
  return syscall(SYS_unshare, CLONE_FILES) == 0;  // before Linux 5.9
}

RUNWIRE_IN_CHILD bool take_descriptors(const ChildStart& start) {
  for (int fd = 0; fd < 3; ++fd)
    if (syscall(SYS_dup3, start.stdio[fd], fd, 0) < 0) return false;
  if (start.script_fd < 0) return true;
  if (start.script_fd == kScriptFd) return syscall(SYS_fcntl, kScriptFd, F_SETFD, 0) == 0;
  return syscall(SYS_dup3, start.script_fd, kScriptFd, 0) >= 0;
}

RUNWIRE_IN_CHILD void reset_signals(const ChildStart& start) {
  const KernelSigaction by_default{};
  for (const int number : *start.signals_to_reset)
    syscall(SYS_rt_sigaction, number, &by_default, nullptr, sizeof by_default.mask);
  const unsigned long none = 0;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, nullptr, sizeof none);
}

// As a shell searches PATH: what is not there or may not be executed is passed over. Returns where the shell has to
// decide: when nothing was found, or something that is no program of a known format.
RUNWIRE_IN_CHILD void try_directly(const ChildStart& start) {
  for (char* const* path = start.direct_paths; *path != nullptr; ++path) {
    syscall(SYS_execve, *path, start.direct_argv, start.direct_envp);
    if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) return;
  }
}

RUNWIRE_IN_CHILD int run_child(void* argument) {
  ChildStart& start = *static_cast<ChildStart*>(argument);
  syscall(SYS_setsid);
  syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (syscall(SYS_getppid) != start.daemon) return fail_child(start, "fork");  // it has died meanwhile
  syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &start.nofile, nullptr);
  if (!leave_shared_table(start)) return fail_child(start, "fork");
  if (!take_descriptors(start)) return fail_child(start, "pipe");
  if (syscall(SYS_chdir, start.cwd) != 0) return fail_child(start, "cwd");
  reset_signals(start);
  try_directly(start);
  syscall(SYS_execve, start.argv[0], start.argv, start.envp);
  return fail_child(start, "exec");
}

constexpr std::size_t kChildStackBytes = 32 * 1024;  // a few frames of system calls

// Returns the pid, or a negative errno; in thread of the pool, which waits for the child's exec.
int clone_child(ChildStart& start) {
  alignas(16) char stack[kChildStackBytes];
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // no handler of ours may run in the child
  const int shared = CLONE_VM | CLONE_VFORK | (start.share_below > 0 ? CLONE_FILES : 0);
  const pid_t pid = clone(run_child, stack + sizeof stack, shared | SIGCHLD, &start);
  const int error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return pid < 0 ? -error : pid;
}

double milliseconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
}

// The kernel counts the memory that a child has borrowed as the child's: a peak below the daemon's own is not known.
std::optional<std::int64_t> own_peak(long child_kb) {
  rusage daemon{};
  getrusage(RUSAGE_SELF, &daemon);
  if (child_kb <= daemon.ru_maxrss) return std::nullopt;
  return child_kb;
}

class NativeSpawner;
class NativeChild;

// Everything one child needs, from the call to its end. Owned by the spawner.
struct Spawn {
  Spawn(NativeSpawner& owner, ChildEvents& receiver) : spawner(&owner), events(&receiver) {}

  NativeSpawner* spawner;
  ChildEvents* events;           // null: who asked has gone, and nobody is to be told
  NativeChild* child = nullptr;  // what the one who asked holds; null likewise
  uv_work_t work{};
  ShellCall call;
  std::string cwd;
  std::vector<char*> argv;
  DirectCall direct;
  std::vector<char*> direct_paths, direct_argv;
  Descriptor script;
  Pipe out, err;
  ChildStart start{};
  double started_ms = 0;
  int result = 0;      // of the clone: pid or negative errno; the thread's until it has reported back
  bool alive = false;  // it has reported back, and `result` is a child that is not reaped
};

class NativeChild final : public Child {
 public:
  ~NativeChild() override;
  Spawn* spawn = nullptr;  // null once the child has been reaped, or could not be started
};

NativeChild::~NativeChild() {
  if (spawn == nullptr) return;
  spawn->events = nullptr;
  spawn->child = nullptr;
  if (spawn->alive) kill(-spawn->result, SIGKILL);  // else cloned() does it
}

// Signals that a child must not take over as they are. A handler is reset by exec, but only after the child's
// mask is empty again, so it is reset here as well.
std::vector<int> signals_to_reset() {
  std::vector<int> numbers{SIGTERM, SIGINT, SIGHUP, SIGCHLD};  // what the daemon handles
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction now {};
    if (sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_IGN) numbers.push_back(number);
  }
  return numbers;
}

std::vector<char*> null_ended(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

class NativeSpawner final : public Spawner {
 public:
  explicit NativeSpawner(uv_loop_t* loop)
      : loop_(loop),
        null_(open("/dev/null", O_RDONLY | O_CLOEXEC)),
        low_(null_.get()),
        reset_(signals_to_reset()),
        reaper_(make_handle<uv_signal_t>(
            this, [loop](uv_signal_t* handle) { return uv_signal_init(loop, handle); })) {
    [[maybe_unused]] const int error =
        uv_signal_start(reaper_.get(), deliver<&NativeSpawner::on_child_signal>, SIGCHLD);
    assert(error == 0);
    uv_unref(as_handle(reaper_.get()));  // a loop with nothing but this to do is done
  }

  std::unique_ptr<Child> spawn(const SpawnSpec& spec, ChildEvents& events) override {
    auto owned = std::make_unique<Spawn>(*this, events);
    Spawn& spawn = *owned;
    const SpawnFailure failure = prepare(spec, spawn);
    if (failure.error != 0) {
      events.child_failed(failure);
      return nullptr;
    }
    auto child = std::make_unique<NativeChild>();
    child->spawn = &spawn;
    spawn.child = child.get();
    spawns_.emplace(&spawn, std::move(owned));
    spawn.work.data = &spawn;
    uv_queue_work(loop_, &spawn.work, in_thread, on_thread_done);
    return child;
  }

 private:
  SpawnFailure prepare(const SpawnSpec& spec, Spawn& spawn) {
    auto call = shell_call(spec.shell, spec.command, spec.script_dir);
    if (!call) return {"script", uv_translate_sys_error(call.error().errno_value), spec.script_dir};
    spawn.call = std::move(*call);
    spawn.script = Descriptor(spawn.call.script_fd);
    spawn.cwd = spec.cwd;
    spawn.argv = null_ended(spawn.call.argv);
    if (spec.direct_calls != nullptr) spawn.direct = spec.direct_calls->plan(spec.command);
    spawn.direct_paths = null_ended(spawn.direct.paths);
    spawn.direct_argv = null_ended(spawn.direct.words);
    int error = spawn.out.open();
    if (error == 0) error = spawn.err.open();
    if (error != 0) return {"pipe", error};
    spawn.start = {spawn.direct_paths.data(),
                   spawn.direct_argv.data(),
                   spec.direct_calls == nullptr ? environ : spec.direct_calls->environment(),
                   spawn.argv.data(),
                   environ,
                   spawn.cwd.c_str(),
                   {null_.get(), spawn.out.write_end.get(), spawn.err.write_end.get()},
                   spawn.script.get(),
                   &reset_,
                   inherited_descriptor_limit(),
                   getpid()};
    return {"", 0};
  }

  static void in_thread(uv_work_t* work) {
    auto& spawn = *static_cast<Spawn*>(work->data);
    spawn.started_ms = static_cast<double>(uv_hrtime()) / 1e6;
    LowDescriptors& low = spawn.spawner->low_;
    const bool lent = low.lend(spawn.start.stdio, spawn.start.script_fd);
    if (lent) spawn.start.share_below = low.kept_below();
    spawn.result = clone_child(spawn.start);
    if (lent) low.take_back();
    if (spawn.start.failed_stage != nullptr)
      waitpid(spawn.result, nullptr, 0);  // it never was a child for the loop
  }

  static void on_thread_done(uv_work_t* work, int) {
    auto& spawn = *static_cast<Spawn*>(work->data);
    spawn.spawner->cloned(spawn);
  }

  void cloned(Spawn& spawn) {
    spawn.out.write_end = Descriptor();
    spawn.err.write_end = Descriptor();
    spawn.script = Descriptor();
    if (spawn.result < 0) return failed(spawn, {"fork", uv_translate_sys_error(-spawn.result)});
    const auto early = early_.extract(spawn.result);
    if (spawn.start.failed_stage != nullptr) return failed(spawn, failed_start(spawn));
    by_pid_.emplace(spawn.result, &spawn);
    spawn.alive = true;
    if (!is_any_under_way()) early_.clear();
    if (spawn.events != nullptr)
      spawn.events->child_started(spawn.result, spawn.out.read_end.release(), spawn.err.read_end.release());
    else
      kill(-spawn.result, SIGKILL);
    if (early) end(early.mapped());
  }

  static SpawnFailure failed_start(const Spawn& spawn) {
    const std::string stage = spawn.start.failed_stage;
    const std::string path = stage == "cwd" ? spawn.cwd : stage == "exec" ? spawn.call.argv.front() : "";
    return {stage, uv_translate_sys_error(spawn.start.failed_errno), path};
  }

  void failed(Spawn& spawn, const SpawnFailure& failure) {
    const auto owned = forget(spawn);
    if (!is_any_under_way()) early_.clear();
    if (owned->events != nullptr) owned->events->child_failed(failure);
  }

  // A signal stands for any number of children.
  void on_child_signal(int) {
    Ended ended{};
    while ((ended.pid = wait4(-1, &ended.status, WNOHANG, &ended.usage)) > 0) end(ended);
  }

  struct Ended {
    pid_t pid;
    int status;
    rusage usage;
  };

  void end(const Ended& ended) {
    const auto found = by_pid_.find(ended.pid);
    if (found == by_pid_.end()) {
      // Either its thread has not reported back yet, or it is an orphan that came to us because we are the first
      // process of a container: whoever gets its number later must not be told of its end.
      if (is_any_under_way()) early_.insert_or_assign(ended.pid, ended);
      return;
    }
    const auto owned = forget(*found->second);
    by_pid_.erase(found);
    if (owned->events == nullptr) return;
    Usage usage;
    usage.wall_ms = static_cast<double>(uv_hrtime()) / 1e6 - owned->started_ms;
    usage.user_ms = milliseconds(ended.usage.ru_utime);
    usage.sys_ms = milliseconds(ended.usage.ru_stime);
    usage.max_rss_kb = own_peak(ended.usage.ru_maxrss);
    const bool killed = WIFSIGNALED(ended.status);
    owned->events->child_exited(
        killed ? ExitStatus::killed(WTERMSIG(ended.status)) : ExitStatus::exited(WEXITSTATUS(ended.status)),
        usage);
  }

  bool is_any_under_way() const { return spawns_.size() > by_pid_.size(); }

  // From here on the one who asked may drop its Child without consequence.
  std::unique_ptr<Spawn> forget(Spawn& spawn) {
    if (spawn.child != nullptr) spawn.child->spawn = nullptr;
    auto node = spawns_.extract(&spawn);
    return std::move(node.mapped());
  }

  uv_loop_t* loop_;
  Descriptor null_;
  LowDescriptors low_;
  const std::vector<int> reset_;
  std::unordered_map<Spawn*, std::unique_ptr<Spawn>> spawns_;
  std::unordered_map<pid_t, Spawn*> by_pid_;  // of spawns_: started and not reaped
  std::unordered_map<pid_t, Ended> early_;    // reaped before cloned() has heard of them
  Handle<uv_signal_t> reaper_;
};

}  // namespace

std::unique_ptr<Spawner> make_native_spawner(uv_loop_t* loop) {
  return std::make_unique<NativeSpawner>(loop);
}

}  // namespace runwire

#else

#include "server/spawn.hpp"

namespace runwire {

std::unique_ptr<Spawner> make_native_spawner(uv_loop_t*) { return nullptr; }

}  // namespace runwire

#endif
