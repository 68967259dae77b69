// The daemon's change into another program, step by step: that one is asked, then nothing new begins, what cannot go
// along is let finish, and then the other one takes the place. Whatever fails, the daemon goes on as it is.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>

#include "server/handover.hpp"
#include "server/successor.hpp"
#include "server/uv_handle.hpp"

namespace runwire {

class Upgrade {
 public:
  // What the daemon does for it.
  struct Steps {
    std::function<Handover()> handover;
    std::function<Status()> gather;  // nothing new begins: who comes waits, who is there is sent away
    // All that is left can go along. Has an effect that lasts until go_back(): once nothing else is left, kept commands
    // that wait are not started, and nothing more is spilled.
    std::function<bool()> is_ready;
    std::function<void()> hurry;     // what can't has had its time, and is ended
    std::function<void()> farewell;  // who is still there is told that he has to go ...
    std::function<void()> cut_off;   // ... and has to
    std::function<void()> go_back;   // after gather(), also where that has failed: it was in vain
    std::function<void()> failed;    // whenever it was
  };

  // REQUIRES: all that is passed outlives it. `patience_ms`: so long commands that can't go along may take.
  Upgrade(uv_loop_t* loop, Spawner& spawner, Successor& successor, std::uint64_t patience_ms, Steps steps);
  Upgrade(const Upgrade&) = delete;
  Upgrade& operator=(const Upgrade&) = delete;

  void begin();    // nothing where one is under way
  void give_up();  // the daemon has something else to do; go_back() is not called

 private:
  enum class State { idle, rehearsing, gathering };
  // What was done with those that can't go along.
  enum class Pressure { none, hurried, told, cut_off };

  Handover sample() const;
  void rehearsed(const Status& outcome);
  void look();
  void press(std::uint64_t waited);
  void fail(const std::string& why);
  void enter(State next);

  uv_loop_t* loop_;
  Spawner& spawner_;
  Successor& successor_;
  const std::uint64_t patience_ms_;
  const Steps steps_;
  State state_ = State::idle;
  Pressure pressure_ = Pressure::none;
  bool holds_signals_ = false;
  std::uint64_t gathers_since_ms_ = 0;  // loop time
  Handle<uv_timer_t> timer_;
};

}  // namespace runwire
