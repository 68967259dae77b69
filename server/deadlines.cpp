#include "server/deadlines.hpp"

#include <algorithm>
#include <utility>

namespace runwire {
namespace {

bool is_limit(std::optional<std::uint64_t> ms) { return ms.value_or(0) > 0; }

}  // namespace

Deadlines::Deadlines(uv_loop_t* loop, const JobTerms& terms, Events events)
    : loop_(loop), terms_(terms), events_(std::move(events)) {}

void Deadlines::start() {
  const bool is_any = is_limit(terms_.timeout_ms) || is_limit(terms_.idle_ms);
  if (is_any) uv_update_time(loop_);  // what came before in this turn is not the command's
  output_came();
  arm(terms_.timeout_ms.value_or(0));
}

void Deadlines::go_on(std::optional<std::uint64_t> timeout_due_ms) {
  const std::uint64_t now = uv_now(loop_);
  arm(std::max(timeout_due_ms.value_or(now), now) - now);
}

void Deadlines::arm(std::uint64_t timeout_in_ms) {
  if (is_limit(terms_.timeout_ms)) {
    timeout_due_ms_ = uv_now(loop_) + timeout_in_ms;
    timeout_timer_ = make_timer(loop_, this);
    uv_timer_start(timeout_timer_.get(), deliver<&Deadlines::on_timeout>, timeout_in_ms, 0);
  }
  if (is_limit(terms_.idle_ms)) {
    idle_timer_ = make_timer(loop_, this);
    const std::uint64_t quiet = uv_now(loop_) - last_output_ms_;
    uv_timer_start(idle_timer_.get(), deliver<&Deadlines::on_idle>,
                   *terms_.idle_ms - std::min(*terms_.idle_ms, quiet), 0);
  }
}

void Deadlines::stop() {
  timeout_timer_.reset();
  idle_timer_.reset();
}

void Deadlines::output_came() { last_output_ms_ = uv_now(loop_); }

std::optional<std::uint64_t> Deadlines::timeout_due_ms() const {
  return timeout_timer_ ? std::optional(timeout_due_ms_) : std::nullopt;
}

void Deadlines::on_timeout() { events_.on_missed(Reason::timeout); }

// A command whose output waits for a reader is not idle.
void Deadlines::on_idle() {
  if (events_.has_output_waiting()) output_came();
  const std::uint64_t quiet = uv_now(loop_) - last_output_ms_;
  if (quiet >= *terms_.idle_ms) return events_.on_missed(Reason::idle_timeout);
  uv_timer_start(idle_timer_.get(), deliver<&Deadlines::on_idle>, *terms_.idle_ms - quiet, 0);
}

}  // namespace runwire
