#include "bench/session_lanes.hpp"

namespace runwire {

SessionLanes::SessionLanes(Target& target, std::uint32_t count, std::uint32_t sessions, std::uint32_t idle) {
  for (std::uint32_t token = 0; token < sessions + idle; ++token) links_.emplace_back(target, token);
  for (std::uint32_t place = 0; place < count + idle; ++place) {
    const bool is_idle = place >= count;
    SessionLink& link = links_[is_idle ? sessions + (place - count) : place % sessions];
    lanes_.emplace_back(target, link, place, is_idle);
    link.carry(lanes_.back());
  }
}

}  // namespace runwire
