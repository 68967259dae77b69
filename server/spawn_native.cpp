// Linux's fast way to start a child: see server/birth.hpp. It reaps with wait4(2), so that a command's usage is known.
#ifdef __linux__

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "server/birth.hpp"
#include "server/child_stdio.hpp"
#include "server/descriptor.hpp"
#include "server/inheritance.hpp"
#include "server/process_group.hpp"
#include "server/script.hpp"
#include "server/spawn.hpp"
#include "server/spawn_environment.hpp"
#include "server/spawn_program.hpp"
#include "server/uv_handle.hpp"

namespace runwire {
namespace {

// A table of descriptors up to this size is copied for the child.
constexpr int kCopiedDescriptors = 200;
constexpr std::size_t kIdleBirths = 16;  // kept for the next children
constexpr std::size_t kScannedChildren = 64;
constexpr std::size_t kYoungest = 16;
constexpr std::uint64_t kRescanMs = 50;
constexpr std::uint64_t kBirthLookMs = 5;
constexpr std::chrono::milliseconds kBirthPatience{1000};

// Descriptors with small numbers, kept for handing pipes to children. Where the daemon has many descriptors open, a
// child shares its table and then takes a copy of the lowest entries only, up to kept_below(): copying ten thousand
// connections for every command, to close them all again at its exec, costs three times the command.
class LowDescriptors {
 public:
  using Set = std::array<Descriptor, 4>;

  explicit LowDescriptors(int null) : null_(null) {
    for (Set& set : sets_) {
      for (Descriptor& slot : set) slot = Descriptor(fcntl(null, F_DUPFD_CLOEXEC, kScriptFd + 1));
      free_.push_back(&set);
    }
  }

  // A set that stands in the place of stdio[1], stdio[2] and, where there are such, the script and a stdin other than
  // /dev/null; null where none is free.
  Set* lend(int (&stdio)[3], int& script_fd) {
    if (free_.empty()) return nullptr;
    Set* set = free_.back();
    free_.pop_back();
    stdio[1] = place(stdio[1], (*set)[0]);
    stdio[2] = place(stdio[2], (*set)[1]);
    if (script_fd >= 0) script_fd = place(script_fd, (*set)[2]);
    if (stdio[0] != null_) stdio[0] = place(stdio[0], (*set)[3]);
    return set;
  }

  // When the child has a table of its own. Nothing but the child may hold the pipes' ends, or their end is never seen.
  void take_back(Set* set) {
    for (const Descriptor& slot : *set) place(null_, slot);
    free_.push_back(set);
  }

  int kept_below() const {
    int highest = null_;
    for (const Set& set : sets_)
      for (const Descriptor& slot : set) highest = std::max(highest, slot.get());
    return highest + 1;
  }

 private:
  static int place(int fd, const Descriptor& slot) {
    dup3(fd, slot.get(), O_CLOEXEC);
    return slot.get();
  }

  int null_;
  std::array<Set, 8> sets_;
  std::vector<Set*> free_;
};

// The daemon's answer to SIGCHLD: a descriptor, because a handler interrupts whatever goes on and must write to a
// pipe that the loop then reads. Other threads must not take the signal, so theirs is blocked as well: they inherit it.
class ChildSignal {
 public:
  ChildSignal() {
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
  ChildSignal(const ChildSignal&) = delete;
  ChildSignal& operator=(const ChildSignal&) = delete;
  ~ChildSignal() {
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    sigaction(SIGCHLD, &action_before_, nullptr);
  }

  int descriptor() const { return fd_.get(); }
  // One of the children that have ended; 0 for none. There is only one signal pending at a time, for any number.
  pid_t take() const {
    signalfd_siginfo one{};
    const bool is_there = read(fd_.get(), &one, sizeof one) == sizeof one;
    return is_there ? static_cast<pid_t>(one.ssi_pid) : 0;
  }

 private:
  struct sigaction action_before_ {};
  sigset_t set_{}, before_{};
  Descriptor fd_;
};

// Makes this process the parent of what a command leaves behind, instead of init: so it is seen whose those are.
class Subreaper {
 public:
  Subreaper() {
    prctl(PR_GET_CHILD_SUBREAPER, &before_);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
  }
  Subreaper(const Subreaper&) = delete;
  Subreaper& operator=(const Subreaper&) = delete;
  ~Subreaper() { prctl(PR_SET_CHILD_SUBREAPER, before_); }

 private:
  int before_ = 0;
};

double milliseconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
}

// The kernel counts the memory that a child has borrowed as the child's: a peak below the daemon's own is not known.
class DaemonPeak {
 public:
  std::optional<std::int64_t> child_peak(long child_kb) {
    if (child_kb > known_kb_) known_kb_ = now_kb();  // it only grows
    if (child_kb <= known_kb_) return std::nullopt;
    return child_kb;
  }

 private:
  static long now_kb() {
    rusage daemon{};
    getrusage(RUSAGE_SELF, &daemon);
    return daemon.ru_maxrss;
  }

  long known_kb_ = 0;
};

// A birth that is under way, or that has failed and whose child is not yet reaped.
struct UnderWay {
  pid_t pid;
  std::unique_ptr<Birth> birth;
  LowDescriptors::Set* lent;  // null where none was needed
};

class NativeChild final : public Child {
 public:
  NativeChild(ChildEvents& receiver, const std::vector<UnderWay>& births)
      : events(&receiver), births_(births) {}
  ~NativeChild() override {
    if (record == nullptr) return;
    *record = nullptr;
    ProcessGroup(pid).signal(SIGKILL);
  }

  bool is_born() const override {
    return std::all_of(births_.begin(), births_.end(),
                       [this](const UnderWay& each) { return each.pid != pid || each.birth->is_over(); });
  }

  ChildEvents* events;
  pid_t pid = 0;
  NativeChild** record = nullptr;  // where the spawner keeps this child; null once it has been reaped

 private:
  const std::vector<UnderWay>& births_;  // the spawner's, which outlives us
};

// Signals that a child must not take over as they are. A handler is reset by exec, but only after the child's
// mask is empty again, so it is reset here as well. Ends with 0.
std::vector<int> signals_to_reset() {
  std::vector<int> numbers{SIGTERM, SIGINT, SIGHUP};  // what the daemon handles
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction now {};
    if (sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_IGN) numbers.push_back(number);
  }
  numbers.push_back(0);
  return numbers;
}

char** point_to(std::vector<std::string>& words, std::vector<char*>& pointers) {
  pointers.clear();
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers.data();
}

class NativeSpawner final : public Spawner {
 public:
  NativeSpawner(uv_loop_t* loop, bool can_share)
      : can_share_(can_share),
        null_(open("/dev/null", O_RDONLY | O_CLOEXEC)),
        low_(null_.get()),
        reset_(signals_to_reset()),
        daemon_(getpid()),
        reaper_(make_handle<uv_poll_t>(
            this,
            [this, loop](uv_poll_t* handle) { return uv_poll_init(loop, handle, signal_.descriptor()); })),
        rescan_(make_timer(loop, this)),
        birth_look_(make_timer(loop, this)) {
    [[maybe_unused]] const int error =
        uv_poll_start(reaper_.get(), UV_READABLE, deliver<&NativeSpawner::on_child_signal>);
    assert(error == 0);
    for (uv_handle_t* handle :
         {as_handle(reaper_.get()), as_handle(rescan_.get()), as_handle(birth_look_.get())})
      uv_unref(handle);  // a loop with nothing but this to do is done
  }

  ~NativeSpawner() override {
    for (UnderWay& entry : under_way_)
      if (!entry.birth->wait_until_over(kBirthPatience)) (void)entry.birth.release();  // not ours to free
  }

  std::unique_ptr<Child> spawn(const SpawnSpec& spec, ChildEvents& events) override {
    tidy_births();
    std::unique_ptr<Birth> birth = take_birth();
    auto child = std::make_unique<NativeChild>(events, under_way_);
    const SpawnFailure failure = start(spec, std::move(birth), *child);
    if (failure.error == 0) return child;
    events.child_failed(failure);
    return nullptr;
  }

  // It may have ended already, and the signal that said so been taken by the program before this one.
  std::unique_ptr<Child> adopt(pid_t pid, double started_ms, ChildEvents& events) override {
    auto child = std::make_unique<NativeChild>(events, under_way_);
    child->pid = pid;
    child->record = &children_.emplace(pid, Started{child.get(), started_ms}).first->second.child;
    uv_timer_start(rescan_.get(), deliver<&NativeSpawner::reap_all>, 0, 0);
    return child;
  }
  bool can_adopt() const override { return true; }

 private:
  SpawnFailure start(const SpawnSpec& spec, std::unique_ptr<Birth> owned, NativeChild& child) {
    Birth& birth = *owned;
    ChildStdio stdio;
    const SpawnFailure failure = prepare(spec, birth, stdio);
    if (failure.error != 0) return failure;
    LowDescriptors::Set* lent = nullptr;
    if (can_share_ && stdio.of_child(STDERR_FILENO) >= kCopiedDescriptors)
      lent = low_.lend(birth.start.stdio, birth.start.script_fd);
    birth.start.share_below = lent == nullptr ? 0 : low_.kept_below();
    const double now_ms = static_cast<double>(uv_hrtime()) / 1e6;
    child.pid = birth.clone_child();
    birth.script = Descriptor();
    if (child.pid < 0) {
      if (lent != nullptr) low_.take_back(lent);
      return {"fork", uv_translate_sys_error(-child.pid)};
    }
    under_way_.push_back({child.pid, std::move(owned), lent});
    if (lent != nullptr && spec.takes_stdin) look_at_births_soon();
    remember_youngest(child.pid);
    child.record = &children_.emplace(child.pid, Started{&child, now_ms}).first->second.child;
    stdio.close_ends_of_child();
    child.events->child_started(child.pid, stdio.take_ours());
    return {"", 0};
  }

  SpawnFailure prepare(const SpawnSpec& spec, Birth& birth, ChildStdio& stdio) {
    if (!spec.argv.empty())
      prepare_program(spec, birth);
    else if (const int error = prepare_shell(spec, birth); error != 0)
      return {"script", error, spec.script_dir};
    if (const SpawnFailure failure = stdio.open(spec); failure.error != 0) return failure;
    birth.cwd = spec.cwd;
    ChildStart& start = birth.start;
    start.cwd = birth.cwd.c_str();
    for (int fd = 0; fd < 3; ++fd) start.stdio[fd] = stdio.of_child(fd);
    if (start.stdio[0] < 0) start.stdio[0] = null_.get();
    start.script_fd = birth.script.get();
    start.signals_to_reset = reset_.data();
    start.nofile = inherited_descriptor_limit();
    start.settings = settings_for(spec.limits, spec.caps);
    start.settings.takes_terminal = spec.terminal.has_value();
    start.daemon = daemon_;
    start.cgroup = spec.cgroup;
    return {"", 0};
  }

  // 0 or a libuv error.
  static int prepare_shell(const SpawnSpec& spec, Birth& birth) {
    auto call = shell_call(spec.shell, spec.command, spec.script_dir);
    if (!call) return uv_translate_sys_error(call.error().errno_value);
    birth.call = std::move(*call);
    birth.script = Descriptor(birth.call.script_fd);
    ChildStart& start = birth.start;
    start.is_program = false;
    start.argv = point_to(birth.call.argv, birth.argv);
    start.envp = environment_of(spec, environ, birth.environment);
    // What the shell would make of another environment than the daemon's is not known.
    const bool plans = spec.direct_calls != nullptr && spec.environment.empty() && !spec.clear_environment;
    birth.direct = plans ? spec.direct_calls->plan(spec.command) : DirectCall{};
    start.direct_paths = point_to(birth.direct.paths, birth.direct_paths);
    start.direct_argv = point_to(birth.direct.words, birth.direct_argv);
    if (plans)
      start.direct_envp = environment_of(spec, spec.direct_calls->environment(), birth.direct_environment);
    return 0;
  }

  static void prepare_program(const SpawnSpec& spec, Birth& birth) {
    ChildStart& start = birth.start;
    start.envp = start.direct_envp = environment_of(spec, environ, birth.environment);
    ProgramSearch search = search_for(spec.argv.front(), start.envp);
    start.is_program = true;
    start.by_path = search.by_path;
    birth.direct = {std::move(search.paths), spec.argv};
    start.direct_paths = point_to(birth.direct.paths, birth.direct_paths);
    start.direct_argv = point_to(birth.direct.words, birth.direct_argv);
    birth.call = {{spec.shell}};
    birth.script = Descriptor();
    birth.argv = birth.direct_argv;
    birth.argv.insert(birth.argv.begin(), birth.call.argv.front().data());
    start.argv = birth.argv.data();
  }

  std::unique_ptr<Birth> take_birth() {
    if (idle_.empty()) return std::make_unique<Birth>();
    auto birth = std::move(idle_.back());
    idle_.pop_back();
    return birth;
  }

  // Nobody tells when a child has left; it is looked at when the room may be needed again. A stdin that was lent is
  // taken back sooner: while it is held here, nobody sees that the child has closed it.
  void tidy_births() {
    std::erase_if(under_way_, [this](UnderWay& entry) {
      const bool runs = entry.birth->is_over() && entry.birth->start.failed_stage == nullptr;
      if (runs) leave(entry);
      return runs;
    });
  }

  void look_at_births_soon() {
    if (uv_is_active(as_handle(birth_look_.get())) == 0)
      uv_timer_start(birth_look_.get(), deliver<&NativeSpawner::look_at_births>, kBirthLookMs, 0);
  }

  void look_at_births() {
    tidy_births();
    for (const UnderWay& entry : under_way_)
      if (entry.lent != nullptr) return look_at_births_soon();
  }

  void leave(UnderWay& entry) {
    if (entry.lent != nullptr) low_.take_back(entry.lent);
    if (idle_.size() < kIdleBirths && entry.birth->is_light()) idle_.push_back(std::move(entry.birth));
  }

  // The kernel looks for an ended child by going through all of them. Where there are many, those are asked after that
  // are likely to have ended: the one that the signal names, which may stand for others, and the youngest. What else
  // has ended is found a little later.
  void on_child_signal(int, int) {
    const pid_t named = signal_.take();
    if (children_.size() <= kScannedChildren) return reap_all();
    reap(named);
    for (const pid_t pid : std::exchange(youngest_, {}))
      if (children_.contains(pid) && !reap(pid)) youngest_.push_back(pid);
    if (uv_is_active(as_handle(rescan_.get())) == 0)
      uv_timer_start(rescan_.get(), deliver<&NativeSpawner::reap_all>, kRescanMs, 0);
  }

  void reap_all() {
    while (reap(-1)) continue;
  }

  bool reap(pid_t which) {
    Ended ended{};
    ended.pid = wait4(which, &ended.status, WNOHANG, &ended.usage);
    if (ended.pid > 0) end(ended);
    return ended.pid > 0;
  }

  void remember_youngest(pid_t pid) {
    if (youngest_.size() == kYoungest) youngest_.pop_front();
    youngest_.push_back(pid);
  }

  struct Started {
    NativeChild* child;  // null: who asked has gone, and nobody is to be told
    double started_ms;
  };

  struct Ended {
    pid_t pid;
    int status;
    rusage usage;
  };

  void end(const Ended& ended) {
    const SpawnFailure failure = end_of_birth(ended.pid);
    const auto found = children_.extract(ended.pid);
    if (!found) return;  // an orphan
    const Started started = found.mapped();
    if (started.child == nullptr) return;
    started.child->record = nullptr;
    ChildEvents& events = *started.child->events;
    if (failure.error != 0) return events.child_failed(failure);
    Usage usage;
    usage.wall_ms = static_cast<double>(uv_hrtime()) / 1e6 - started.started_ms;
    usage.user_ms = milliseconds(ended.usage.ru_utime);
    usage.sys_ms = milliseconds(ended.usage.ru_stime);
    usage.max_rss_kb = peak_.child_peak(ended.usage.ru_maxrss);
    const bool killed = WIFSIGNALED(ended.status);
    events.child_exited(
        {killed ? ExitStatus::killed(WTERMSIG(ended.status)) : ExitStatus::exited(WEXITSTATUS(ended.status)),
         killed && WCOREDUMP(ended.status), usage});
  }

  // Why the child never ran a program; no error where it did.
  SpawnFailure end_of_birth(pid_t pid) {
    const auto entry = std::find_if(under_way_.begin(), under_way_.end(),
                                    [pid](const UnderWay& candidate) { return candidate.pid == pid; });
    if (entry == under_way_.end()) return {"", 0};
    const SpawnFailure failure = failure_of(*entry->birth);
    leave(*entry);
    under_way_.erase(entry);
    return failure;
  }

  static SpawnFailure failure_of(const Birth& birth) {
    if (birth.start.failed_stage == nullptr) return {"", 0};
    const std::string stage = birth.start.failed_stage;
    const std::vector<std::string>& words = birth.start.is_program ? birth.direct.words : birth.call.argv;
    const std::string path = stage == "cwd" ? birth.cwd : stage == "exec" ? words.front() : "";
    return {stage, uv_translate_sys_error(birth.start.failed_errno), path};
  }

  const Subreaper subreaper_;
  const bool can_share_;  // its table of descriptors, with a child
  Descriptor null_;
  LowDescriptors low_;
  const std::vector<int> reset_;
  const pid_t daemon_;
  std::vector<std::unique_ptr<Birth>> idle_;
  std::vector<UnderWay> under_way_;
  std::unordered_map<pid_t, Started> children_;  // not yet reaped
  std::deque<pid_t> youngest_;                   // the last that were started, or those of them that live
  DaemonPeak peak_;
  ChildSignal signal_;
  Handle<uv_poll_t> reaper_;
  Handle<uv_timer_t> rescan_, birth_look_;
};

}  // namespace

std::unique_ptr<Spawner> make_native_spawner(uv_loop_t* loop) {
  const BirthAbilities abilities = birth_abilities();
  return abilities.clone ? std::make_unique<NativeSpawner>(loop, abilities.leave_table) : nullptr;
}

}  // namespace runwire

#else

#include "server/spawn.hpp"

namespace runwire {

std::unique_ptr<Spawner> make_native_spawner(uv_loop_t*) { return nullptr; }

}  // namespace runwire

#endif
