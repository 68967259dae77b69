// Linux's fast way to start a child: see server/birth.hpp. It reaps with wait4(2), so that a command's usage is known.
#ifdef __linux__

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <csignal>
#include <deque>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "server/birth.hpp"
#include "server/birth_call.hpp"
#include "server/child_signal.hpp"
#include "server/child_stdio.hpp"
#include "server/child_usage.hpp"
#include "server/descriptor.hpp"
#include "server/inheritance.hpp"
#include "server/low_descriptors.hpp"
#include "server/process_group.hpp"
#include "server/spawn.hpp"
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
  bool can_lead_group() const override { return true; }

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
    if (const SpawnFailure failure = prepare_call(spec, birth); failure.error != 0) return failure;
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
    start.leads_session = spec.leads_session || spec.terminal.has_value();
    start.daemon = daemon_;
    start.cgroup = spec.cgroup;
    return {"", 0};
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
    const double wall_ms = static_cast<double>(uv_hrtime()) / 1e6 - started.started_ms;
    const bool killed = WIFSIGNALED(ended.status);
    events.child_exited(
        {killed ? ExitStatus::killed(WTERMSIG(ended.status)) : ExitStatus::exited(WEXITSTATUS(ended.status)),
         killed && WCOREDUMP(ended.status), usage_.of(ended.usage, wall_ms)});
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
  ChildUsage usage_;
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
