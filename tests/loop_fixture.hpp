// A libuv loop of the test's own, and the proof that the test leaves nothing behind: no handle, no child, no
// descriptor.
#pragma once

#include <dirent.h>
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <uv.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <set>

#include "server/log.hpp"
#include "server/uv_handle.hpp"

namespace runwire::test {

inline constexpr std::uint64_t kPatienceMs = 10000;  // for what must come at all; never the subject

inline std::set<int> open_descriptors() {
  std::set<int> open;
  DIR* listing = opendir("/dev/fd");
  while (const dirent* entry = readdir(listing))
    if (entry->d_name[0] != '.') open.insert(std::atoi(entry->d_name));
  open.erase(dirfd(listing));
  closedir(listing);
  return open;
}

// Living or dead; it reaps nothing.
inline bool has_child() {
  siginfo_t found{};
  return waitid(P_ALL, 0, &found, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

// To be derived from: what a test owns dies before the checks.
class LoopFixture {
 public:
  LoopFixture() {
    std::signal(SIGPIPE, SIG_IGN);  // as the daemon has it
    log::set_level(log::Level::error);
    REQUIRE(uv_loop_init(&loop_) == 0);
    tick_ = make_timer(&loop_, this);
    uv_timer_start(
        tick_.get(), [](uv_timer_t*) {}, kTickMs, kTickMs);
  }
  LoopFixture(const LoopFixture&) = delete;
  LoopFixture& operator=(const LoopFixture&) = delete;

  ~LoopFixture() {
    finish_work();
    tick_.reset();
    run_turns();
    CHECK(uv_loop_close(&loop_) == 0);
    CHECK_FALSE(has_child());
    CHECK(open_descriptors() == descriptors_before_);
  }

  uv_loop_t* loop() { return &loop_; }

  // Runs the loop until the condition holds; false where it does not within kPatienceMs.
  template <class Condition> bool run_until(Condition holds) {
    const std::uint64_t deadline = uv_hrtime() + kPatienceMs * 1000000;
    while (!holds() && uv_hrtime() < deadline) uv_run(&loop_, UV_RUN_ONCE);
    return holds();
  }

  // Runs the loop for that time: for what must *not* happen within it, and for nothing else.
  void run_for(std::uint64_t ms) {
    const std::uint64_t end = uv_hrtime() + ms * 1000000;
    while (uv_hrtime() < end) uv_run(&loop_, UV_RUN_ONCE);
  }

  // Runs the loop until it has nothing left to do.
  void finish_work() {
    uv_unref(as_handle(tick_.get()));  // it goes on waking the loop, but does not keep it alive
    CHECK(run_until([this] { return uv_loop_alive(&loop_) == 0; }));
    uv_ref(as_handle(tick_.get()));
  }

  // Everything that is due without waiting, several times over: timers excepted.
  void run_turns(int turns = 4) {
    for (int turn = 0; turn < turns; ++turn) uv_run(&loop_, UV_RUN_NOWAIT);
  }

 private:
  static constexpr unsigned kTickMs = 2;  // how often a condition is looked at when nothing happens

  // libuv opens some descriptors once and for all with the first loop.
  static std::set<int> descriptors_of_a_quiet_process() {
    uv_loop_t first;
    REQUIRE(uv_loop_init(&first) == 0);
    REQUIRE(uv_loop_close(&first) == 0);
    return open_descriptors();
  }

  std::set<int> descriptors_before_ = descriptors_of_a_quiet_process();
  uv_loop_t loop_{};
  Handle<uv_timer_t> tick_;
};

}  // namespace runwire::test
