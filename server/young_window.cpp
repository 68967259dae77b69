#include "server/young_window.hpp"

#include <algorithm>

namespace runwire {

YoungWindow::YoungWindow(uv_loop_t* loop, std::size_t places, std::function<void()> on_room)
    : loop_(loop), places_(places), on_room_(std::move(on_room)), timer_(make_timer(loop, this)) {}

bool YoungWindow::has_room() {
  let_grow_up();
  return young_.size() < places_;
}

void YoungWindow::let_grow_up() {
  const std::uint64_t now = uv_now(loop_);
  while (!born_.empty() &&
         (now - born_.front().second >= kYoungMs || !young_.contains(born_.front().first))) {
    young_.erase(born_.front().first);
    born_.pop_front();
  }
}

void YoungWindow::enter(JobId id) {
  young_.insert(id);
  born_.emplace_back(id, uv_now(loop_));
}

void YoungWindow::await_room() {
  if (uv_is_active(as_handle(timer_.get())) != 0 || born_.empty()) return;
  const std::uint64_t age = uv_now(loop_) - born_.front().second;
  uv_timer_start(timer_.get(), deliver<&YoungWindow::on_time>, kYoungMs - std::min(kYoungMs, age), 0);
}

void YoungWindow::on_time() {
  if (has_room())
    on_room_();
  else
    await_room();
}

std::size_t young_places() { return std::max<std::size_t>(8, 4 * uv_available_parallelism()); }

}  // namespace runwire
