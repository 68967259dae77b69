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

Termination::Image Termination::image() const {
  Image image{has_begun_, kills_, {}, survivors_};
  if (timer_) image.kill_due_ms = kill_due_ms_;
  return image;
}

void Termination::go_on(const Image& image) {
  has_begun_ = image.has_begun;
  kills_ = image.kills;
  survivors_ = image.survivors;
  if (!image.kill_due_ms) return;
  kill_due_ms_ = *image.kill_due_ms;
  const bool may_be_over = tree_.group().leader_is_reaped();
  start_timer(may_be_over ? 0 : kill_due_ms_ - std::min(kill_due_ms_, uv_now(loop_)));
}

void Termination::child_started() {
  if (has_begun_) signal(is_under_way() ? SIGTERM : SIGKILL);
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

// The kernel takes a moment, and a fork storm more than one blow: it is over when nobody was there to be hit, nor
// anybody who may have to be.
void Termination::kill() {
  const std::size_t hit = signal(SIGKILL);
  if (!reaches_all() || (hit == 0 && count() == 0)) return conclude(0);
  if (++kills_ == kMaxKills) return conclude(count());
  start_timer(kLookMs);
}

void Termination::conclude(std::size_t left) {
  timer_.reset();
  if (reaches_all()) survivors_ = static_cast<std::int64_t>(left);
  on_over_();
}

// Returns how many processes got it, where it reaches all.
std::size_t Termination::signal(int number) {
  if (reaches_all()) return tree_.signal(number, processes_);
  tree_.group().signal(number);
  return 0;
}

std::size_t Termination::count() const {
  return reaches_all() ? tree_.count(processes_) : tree_.group().is_empty() ? 0 : 1;
}

void Termination::start_timer(std::uint64_t ms) {
  if (!timer_) timer_ = make_timer(loop_, this);
  uv_timer_start(timer_.get(), deliver<&Termination::on_time>, ms, 0);
}

}  // namespace runwire
