#include "server/upgrade.hpp"

#include <string_view>
#include <utility>

#include "server/inheritance.hpp"
#include "server/job.hpp"
#include "server/log.hpp"

namespace runwire {
namespace {

constexpr std::string_view kStateNames[] = {"idle", "rehearsing", "gathering"};
constexpr std::uint64_t kLookMs = 5;  // nobody tells when a child is born, or a block on disk
// Behind the time that commands have: until what is ended must be over, so that who waits for it can be told of it;
// until he must have read that; until what is still there never goes.
constexpr std::uint64_t kFarewellMs = kShutdownKillGraceMs + 500;
constexpr std::uint64_t kCutOffMs = kFarewellMs + 1000;
constexpr std::uint64_t kInVainMs = kCutOffMs + 2000;

}  // namespace

Upgrade::Upgrade(uv_loop_t* loop, Spawner& spawner, Successor& successor, std::uint64_t patience_ms,
                 Steps steps)
    : loop_(loop),
      spawner_(spawner),
      successor_(successor),
      patience_ms_(patience_ms),
      steps_(std::move(steps)),
      timer_(make_timer(loop, this)) {}

void Upgrade::begin() {
  if (state_ != State::idle) return;
  if (!spawner_.can_adopt())
    return fail("this runwired's commands are libuv's children; it needs --spawner native");
  enter(State::rehearsing);
  successor_.rehearse(loop_, spawner_, to_image(sample()),
                      [this](const Status& outcome) { rehearsed(outcome); });
}

// What moves at this moment can't be part of it, and need not: what is asked is whether the words are understood.
Handover Upgrade::sample() const {
  Handover sample;
  sample.boot = "rehearsal";
  sample.jobs.emplace_back();
  sample.jobs.back().start.shell = true;
  sample.jobs.back().running.emplace();
  sample.jobs.back().running->pid = getpid();
  return sample;
}

void Upgrade::rehearsed(const Status& outcome) {
  if (state_ != State::rehearsing) return;
  if (!outcome) return fail(successor_.program() + " cannot take over: " + outcome.error().message);
  enter(State::gathering);
  pressure_ = Pressure::none;
  gathers_since_ms_ = uv_now(loop_);
  if (const Status gathered = steps_.gather(); !gathered) return fail(gathered.error().message);
  uv_timer_start(timer_.get(), deliver<&Upgrade::look>, 0, kLookMs);
}

void Upgrade::look() {
  if (!steps_.is_ready()) return press(uv_now(loop_) - gathers_since_ms_);
  // Those that have come are heard before the next look, and those that come later by the next program.
  if (!std::exchange(holds_signals_, true)) return hold_signals(true);
  const Handover handover = steps_.handover();
  log::info("upgrade")
      .add("to", "successor")
      .add("commands", static_cast<std::int64_t>(handover.jobs.size()));
  const Status outcome = successor_.take_place(to_image(handover), descriptors_of(handover));
  fail(outcome.error().message);  // else nobody is here any more
}

void Upgrade::press(std::uint64_t waited) {
  if (waited <= patience_ms_) return;
  const std::uint64_t beyond = waited - patience_ms_;
  const auto is_due = [&](Pressure step, std::uint64_t after_ms) {
    if (pressure_ >= step || beyond < after_ms) return false;
    pressure_ = step;
    return true;
  };
  if (is_due(Pressure::hurried, 0)) steps_.hurry();
  if (is_due(Pressure::told, kFarewellMs)) steps_.farewell();
  if (is_due(Pressure::cut_off, kCutOffMs)) steps_.cut_off();
  if (beyond > kInVainMs) fail("something could not be brought to its end");
}

void Upgrade::fail(const std::string& why) {
  log::error("upgrade-failed").add("why", why);
  const bool had_gathered = state_ == State::gathering;
  give_up();
  steps_.failed();
  if (had_gathered) steps_.go_back();
}

void Upgrade::give_up() {
  uv_timer_stop(timer_.get());
  if (std::exchange(holds_signals_, false)) hold_signals(false);
  enter(State::idle);
}

void Upgrade::enter(State next) {
  if (next == state_) return;
  log::info("upgrade")
      .add("from", kStateNames[static_cast<std::size_t>(state_)])
      .add("to", kStateNames[static_cast<std::size_t>(next)]);
  state_ = next;
}

}  // namespace runwire
