#include "server/termination.hpp"

#include <algorithm>
#include <csignal>
#include <utility>

namespace runwire {
namespace {

constexpr std::uint64_t kLookMs = 20;
constexpr int kMaxKills = 25;  // a process that the kernel holds fast does not die of more

}  // namespace

Termination::Termination(uv_loop_t* loop, ProcessTree& tree, ProcessTable& processes, Reach reach,
                         std::function<void()> on_over)
    : loop_(loop), tree_(tree), processes_(processes), reach_(reach), on_over_(std::move(on_over)) {}

void Termination::begin(unsigned grace_ms) {
  if (!std::exchange(has_begun_, true)) signal(SIGTERM);
  const std::uint64_t due = uv_now(loop_) + grace_ms;
  if (timer_ && kill_due_ms_ <= due) return;
  kill_due_ms_ = due;
  start_timer(grace_ms);
}

void Termination::child_started() {
  if (has_begun_) signal(kills_ == 0 ? SIGTERM : SIGKILL);
}

void Termination::look() {
  if (!timer_) return;
  if (const std::size_t left = count(); left == 0) return conclude(0);
  const std::uint64_t until_due = kill_due_ms_ - std::min(kill_due_ms_, uv_now(loop_));
  start_timer(std::min(kLookMs, until_due));
}

void Termination::on_time() {
  if (uv_now(loop_) >= kill_due_ms_) return kill();
  look();
}

void Termination::kill() {
  signal(SIGKILL);
  ++kills_;
  const std::size_t left = reaches_all() ? count() : 0;
  if (left == 0 || kills_ == kMaxKills) return conclude(left);
  start_timer(kLookMs);  // the kernel takes a moment, and a fork storm more than one blow
}

void Termination::conclude(std::size_t left) {
  timer_.reset();
  if (reaches_all()) survivors_ = static_cast<std::int64_t>(left);
  on_over_();
}

void Termination::signal(int number) {
  if (reaches_all())
    tree_.signal(number, processes_);
  else
    tree_.group().signal(number);
}

std::size_t Termination::count() const {
  return reaches_all() ? tree_.count(processes_) : tree_.group().is_empty() ? 0 : 1;
}

void Termination::start_timer(std::uint64_t ms) {
  if (!timer_) timer_ = make_timer(loop_, this);
  uv_timer_start(timer_.get(), deliver<&Termination::on_time>, ms, 0);
}

}  // namespace runwire
