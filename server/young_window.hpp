// Bounds how many commands are being born at once. Starting a program is nearly all the work of a short command;
// hundreds that fight for a few cores finish later, each and all, than if they had come a few at a time. A command
// is young from its start until it ends, waits for something other than a processor, or has lived for kGrownUpMs;
// older ones hold no place, so long commands never keep short ones waiting.
#pragma once

#include <uv.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <unordered_set>

#include "server/job.hpp"
#include "server/uv_handle.hpp"

namespace runwire {

inline constexpr std::uint64_t kYoungMs = 10;     // between looks at what a young command does
inline constexpr std::uint64_t kGrownUpMs = 100;  // whatever it does

class YoungWindow {
 public:
  struct Events {
    std::function<void()> on_room;  // called in a later turn, when await_room() was and there is room
    // Whether the command still fights for a processor; asked only while others wait for its place.
    std::function<bool(JobId)> is_busy;
  };

  YoungWindow(uv_loop_t* loop, std::size_t places, Events events);
  YoungWindow(const YoungWindow&) = delete;
  YoungWindow& operator=(const YoungWindow&) = delete;

  bool has_room();
  void enter(JobId id);
  void leave(JobId id) { young_.erase(id); }  // it has ended; nothing where it has grown up
  void await_room();

 private:
  struct Look {
    JobId id;
    std::uint64_t due_ms, born_ms;  // loop times
  };
  void on_time();
  void let_grow_up();

  uv_loop_t* loop_;
  const std::size_t places_;
  Events events_;
  std::unordered_set<JobId> young_;
  std::deque<Look> looks_;  // one for each, the next one first; some have left already
  Handle<uv_timer_t> timer_;
};

// Places for this machine: enough to keep every core busy while commands wait for one another. More only lengthen the
// wait of each: the scheduler gives them turns of some milliseconds, several times what a short command needs.
std::size_t young_places();

}  // namespace runwire
