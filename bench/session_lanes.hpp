// Lanes in sessions: so many lanes over so many connections, each connection with every so-many-eth lane, and behind
// them sessions that only are there.
#pragma once

#include <deque>

#include "bench/session_lane.hpp"
#include "bench/session_link.hpp"

namespace runwire {

class SessionLanes final : public Lanes {
 public:
  // `target` outlives the lanes. REQUIRES: sessions in 1..count.
  SessionLanes(Target& target, std::uint32_t count, std::uint32_t sessions, std::uint32_t idle);

  std::uint32_t size() const override { return static_cast<std::uint32_t>(lanes_.size()); }
  Lane& operator[](std::uint32_t place) override { return lanes_[place]; }
  void on_ready(const Ready& ready, std::vector<Told>& told) override {
    links_[ready.token].on_ready(ready, told);
  }

 private:
  std::deque<SessionLane> lanes_;
  std::deque<SessionLink> links_;  // their places are their tokens; they go before their lanes
};

}  // namespace runwire
