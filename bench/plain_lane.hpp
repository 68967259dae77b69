// A lane of the plain protocol: a connection of its own and the command that is under way on it.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "bench/lane.hpp"
#include "proto/frame_reader.hpp"

namespace runwire {

class PlainLane final : public Lane {
 public:
  enum class State { closed, waiting, connecting, idle, sending, receiving };

  // `token` is what the readiness knows its socket by.
  PlainLane(Target& target, std::uint32_t token) : target_(target), token_(token), check_(target.expected) {}
  ~PlainLane() override { hang_up(); }

  Step connect(Nanoseconds begun) override;
  Step start(Nanoseconds due, Nanoseconds begun) override;
  Step retry() override;
  Step expire() override;   // with its connection
  void hang_up() override;  // a command that is under way is cancelled by a reset

  // The socket is ready. REQUIRES: `ready` is about this lane's present socket.
  Step on_ready(const Ready& ready);

  State state() const { return state_; }
  bool is_closed() const override { return state_ == State::closed; }
  bool is_waiting() const override { return state_ == State::waiting; }
  bool is_open() const override { return static_cast<bool>(fd_); }
  bool in_flight() const override {
    return has_command_ || state_ == State::waiting || state_ == State::connecting;
  }

 private:
  void enter(State next) { state_ = next; }
  void want(Interest interest);
  Step connected();
  Step on_connect_decided();
  Step send_rest();
  Step receive();
  Step digest(std::string_view bytes);
  Step finish();
  Step fail(Failure failure, std::string why);
  Step fail_errno(std::string_view call, int error);

  Target& target_;
  std::uint32_t token_;
  State state_ = State::closed;
  UniqueFd fd_;
  Interest interest_ = Interest::read;
  bool has_command_ = false;
  std::size_t sent_ = 0;  // of the command's bytes
  FrameReader reader_;
  ReplyCheck check_;
};

// A connection for each lane; its token is the lane's place.
class PlainLanes final : public Lanes {
 public:
  // `target` outlives the lanes.
  PlainLanes(Target& target, std::uint32_t count);

  std::uint32_t size() const override { return static_cast<std::uint32_t>(lanes_.size()); }
  Lane& operator[](std::uint32_t place) override { return lanes_[place]; }
  void on_ready(const Ready& ready, std::vector<Told>& told) override;

 private:
  std::deque<PlainLane> lanes_;
};

}  // namespace runwire
