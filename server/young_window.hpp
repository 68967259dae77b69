// Bounds how many commands are being born at once. Starting a program is nearly all the work of a short command;
// hundreds that fight for a few cores finish later, each and all, than if they had come a few at a time. A command
// is young from its start until it ends or has lived for kYoungMs; older ones hold no place, so long commands
// never keep short ones waiting.
#pragma once

#include <uv.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <unordered_set>
#include <utility>

#include "server/job.hpp"
#include "server/uv_handle.hpp"

namespace runwire {

inline constexpr std::uint64_t kYoungMs = 10;

class YoungWindow {
 public:
  // `on_room` is called, in a later turn, when await_room() was and there is room.
  YoungWindow(uv_loop_t* loop, std::size_t places, std::function<void()> on_room);
  YoungWindow(const YoungWindow&) = delete;
  YoungWindow& operator=(const YoungWindow&) = delete;

  bool has_room();
  void enter(JobId id);
  void leave(JobId id) { young_.erase(id); }  // it has ended; nothing where it has grown up
  void await_room();

 private:
  void on_time();
  void let_grow_up();

  uv_loop_t* loop_;
  const std::size_t places_;
  std::function<void()> on_room_;
  std::unordered_set<JobId> young_;
  std::deque<std::pair<JobId, std::uint64_t>>
      born_;  // in order of birth, with the time; some have left already
  Handle<uv_timer_t> timer_;
};

// Places for this machine: enough to keep every core busy while commands wait for one another.
std::size_t young_places();

}  // namespace runwire
