#include "server/young_window.hpp"

#include <algorithm>
#include <utility>

namespace runwire {

YoungWindow::YoungWindow(uv_loop_t* loop, std::size_t places, Events events)
    : loop_(loop), places_(places), events_(std::move(events)), timer_(make_timer(loop, this)) {}

bool YoungWindow::has_room() {
  if (young_.size() >= places_) let_grow_up();
  return young_.size() < places_;
}

void YoungWindow::let_grow_up() {
  const std::uint64_t now = uv_now(loop_);
  while (!looks_.empty() && (now >= looks_.front().due_ms || !young_.contains(looks_.front().id))) {
    const Look look = looks_.front();
    looks_.pop_front();
    if (!young_.contains(look.id)) continue;
    if (now - look.born_ms < kGrownUpMs && events_.is_busy(look.id))
      looks_.push_back({look.id, now + kYoungMs, look.born_ms});
    else
      young_.erase(look.id);
  }
}

void YoungWindow::enter(JobId id) {
  while (!looks_.empty() && !young_.contains(looks_.front().id)) looks_.pop_front();
  young_.insert(id);
  looks_.push_back({id, uv_now(loop_) + kYoungMs, uv_now(loop_)});
}

void YoungWindow::await_room() {
  if (uv_is_active(as_handle(timer_.get())) != 0 || looks_.empty()) return;
  const std::uint64_t left = looks_.front().due_ms - std::min(looks_.front().due_ms, uv_now(loop_));
  uv_timer_start(timer_.get(), deliver<&YoungWindow::on_time>, left, 0);
}

void YoungWindow::on_time() {
  if (has_room())
    events_.on_room();
  else
    await_room();
}

std::size_t young_places() { return 2 * uv_available_parallelism(); }

}  // namespace runwire
