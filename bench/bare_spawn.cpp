#include "bench/bare_spawn.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#include <sys/prctl.h>
#endif

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

#include "bench/histogram.hpp"
#include "client/unique_fd.hpp"

extern char** environ;

namespace runwire {
namespace {

// What a process of starters tells the one that has started it.
struct Tally {
  double seconds = 0;
  std::uint64_t commands = 0;
  double p50_ms = 0, p99_ms = 0, first_byte_p50_ms = 0;
  double starter_cpu_us = 0, cpu_us = 0;  // of all its commands
  int error = 0;                          // errno of what failed
};

struct Command {
  const char* argv[4];
  int null_fd;
  StartHow start;
};

pid_t spawn_command(const Command& command, int out, int err) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, command.null_fd, 0);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  posix_spawn_file_actions_adddup2(&actions, err, 2);
  pid_t pid = -1;
  const int error =
      posix_spawn(&pid, command.argv[0], &actions, nullptr, const_cast<char* const*>(command.argv), environ);
  posix_spawn_file_actions_destroy(&actions);
  errno = error;
  return error == 0 ? pid : -1;
}

#ifdef __linux__

struct Start {
  const Command* command;
  int out, err;
};

int run_child(void* argument) {
  const auto& start = *static_cast<Start*>(argument);
  setpgid(0, 0);
  dup2(start.command->null_fd, 0);
  dup2(start.out, 1);
  dup2(start.err, 2);
  execve(start.command->argv[0], const_cast<char* const*>(start.command->argv), environ);
  _exit(127);
}

pid_t clone_command(const Command& command, int out, int err) {
  alignas(16) static char stack[64 * 1024];
  Start start{&command, out, err};
  return clone(run_child, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &start);
}

#else

pid_t clone_command(const Command& command, int out, int err) { return spawn_command(command, out, err); }

#endif

double microseconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
}

double cpu_us(int who) {
  rusage usage{};
  getrusage(who, &usage);
  return microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
}

int open_pipe(UniqueFd& read_end, UniqueFd& write_end) {
  int ends[2];
  if (pipe(ends) != 0) return errno;
  for (const int end : ends) fcntl(end, F_SETFD, FD_CLOEXEC);
  read_end = UniqueFd(ends[0]);
  write_end = UniqueFd(ends[1]);
  return 0;
}

// One command in flight.
class Slot {
 public:
  int start(const Command& command) {
    UniqueFd out, err;
    int error = open_pipe(ends_[0], out);
    if (error == 0) error = open_pipe(ends_[1], err);
    if (error != 0) return error;
    first_byte_ = 0;
    started_ = now_ns();
    const auto start = command.start == StartHow::clone ? clone_command : spawn_command;
    pid_ = start(command, out.get(), err.get());
    return pid_ < 0 ? errno : 0;
  }

  void add_to(std::vector<pollfd>& polled) const {
    for (const UniqueFd& end : ends_) polled.push_back({end.get(), POLLIN, 0});  // -1 is passed over
  }

  // Whether both pipes are at their end.
  bool read(const pollfd* polled) {
    char bytes[64 * 1024];
    for (std::size_t i = 0; i < ends_.size(); ++i) {
      if (polled[i].revents == 0) continue;
      if (::read(ends_[i].get(), bytes, sizeof bytes) <= 0)
        ends_[i] = UniqueFd();
      else if (first_byte_ == 0)
        first_byte_ = now_ns();
    }
    return ends_[0].get() < 0 && ends_[1].get() < 0;
  }

  bool is_running() const { return pid_ > 0; }

  // From the start on; absent where nothing has been printed.
  std::optional<Nanoseconds> to_first_byte() const {
    return first_byte_ == 0 ? std::nullopt : std::optional(first_byte_ - started_);
  }

  Nanoseconds reap() {
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
    return now_ns() - started_;
  }

 private:
  std::array<UniqueFd, 2> ends_;
  pid_t pid_ = 0;
  Nanoseconds started_ = 0;
  Nanoseconds first_byte_ = 0;
};

class Starter {
 public:
  explicit Starter(const BareSpawn& how)
      : how_(how), null_(open("/dev/null", O_RDONLY | O_CLOEXEC)), slots_(how.in_flight) {
    command_ = {{"/bin/sh", "-c", how.command.c_str(), nullptr}, null_.get(), how.start};
  }

  Tally run() {
    const double own_before = cpu_us(RUSAGE_SELF);
    const double children_before = cpu_us(RUSAGE_CHILDREN);
    const Nanoseconds begun = now_ns();
    int error = start_all();
    while (error == 0 && running_ > 0) error = turn(now_ns() - begun < how_.duration);
    const double own = cpu_us(RUSAGE_SELF) - own_before;
    return {seconds(now_ns() - begun),
            times_.count(),
            milliseconds(times_.percentile(50)),
            milliseconds(times_.percentile(99)),
            milliseconds(first_bytes_.percentile(50)),
            own,
            own + cpu_us(RUSAGE_CHILDREN) - children_before,
            error};
  }

 private:
  int start_all() {
    int error = 0;
    for (Slot& slot : slots_)
      if (error == 0) error = start(slot);
    return error;
  }

  int start(Slot& slot) {
    const int error = slot.start(command_);
    if (error == 0) ++running_;
    return error;
  }

  int turn(bool go_on) {
    polled_.clear();
    for (const Slot& slot : slots_) slot.add_to(polled_);
    if (poll(polled_.data(), polled_.size(), -1) < 0) return errno;
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      Slot& slot = slots_[i];
      if (!slot.is_running() || !slot.read(&polled_[2 * i])) continue;
      times_.record(slot.reap());
      if (const auto first = slot.to_first_byte()) first_bytes_.record(*first);
      --running_;
      const int error = go_on ? start(slot) : 0;
      if (error != 0) return error;
    }
    return 0;
  }

  const BareSpawn& how_;
  UniqueFd null_;
  std::vector<Slot> slots_;
  Command command_{};
  unsigned running_ = 0;
  std::vector<pollfd> polled_;
  Histogram times_, first_bytes_;
};

Error failed(const char* what, int error) {
  return {Errc::io, std::string(what) + ": " + std::strerror(error)};
}

// In a process of its own, so that several starters share nothing. Returns the end its Tally comes from.
Result<UniqueFd> start_starter(const BareSpawn& how) {
  UniqueFd from, to;
  if (const int error = open_pipe(from, to); error != 0) return failed("pipe", error);
  [[maybe_unused]] const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return failed("fork", errno);
  if (pid > 0) return from;
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // nobody would read its Tally
  if (getppid() != parent) _exit(1);
#endif
  const Tally tally = Starter(how).run();
  _exit(write(to.get(), &tally, sizeof tally) == sizeof tally ? 0 : 1);
}

}  // namespace

Result<BareSpawnResult> measure_bare_spawn(const BareSpawn& how) {
  std::vector<UniqueFd> starters;
  for (unsigned i = 0; i < how.processes; ++i) {
    auto starter = start_starter(how);
    RUNWIRE_TRY(starter);
    starters.push_back(std::move(*starter));
  }
  BareSpawnResult result;
  double commands = 0;
  for (const UniqueFd& starter : starters) {
    Tally tally;
    if (read(starter.get(), &tally, sizeof tally) != sizeof tally) tally.error = EPIPE;
    wait(nullptr);
    if (tally.error != 0) return failed("a bare command", tally.error);
    commands += static_cast<double>(tally.commands);
    result.per_second += static_cast<double>(tally.commands) / tally.seconds;
    result.p50_ms = std::max(result.p50_ms, tally.p50_ms);
    result.p99_ms = std::max(result.p99_ms, tally.p99_ms);
    result.first_byte_p50_ms = std::max(result.first_byte_p50_ms, tally.first_byte_p50_ms);
    result.cpu_us += tally.cpu_us;
    result.starter_cpu_us += tally.starter_cpu_us;
  }
  result.cpu_us /= commands;
  result.starter_cpu_us /= commands;
  return result;
}

}  // namespace runwire
