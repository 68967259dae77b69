// The answers to `list`: one kept command behind the other, in portions, as the connection takes them.
#pragma once

#include <cstdint>

#include "server/session_ground.hpp"
#include "server/uv_handle.hpp"

namespace runwire {

inline constexpr int kListedATurn = 128;

class SessionListing {
 public:
  // REQUIRES: `ground` outlives this.
  explicit SessionListing(SessionGround& ground);

  bool is_empty() const { return asked_ == 0; }  // nobody waits for an answer
  void ask();
  void go_on();  // the connection has room again

 private:
  SessionGround& ground_;
  std::uint64_t asked_ = 0;   // times that are not yet answered
  std::uint64_t age_ = 0;     // of the last one that was told
  std::uint64_t listed_ = 0;  // in the present answer
  AfterTurn next_turn_;
};

}  // namespace runwire
