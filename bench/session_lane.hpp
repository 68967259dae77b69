// A lane of a session: a command at a time on a link that it may share with others.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include "bench/lane.hpp"
#include "bench/session_check.hpp"
#include "bench/session_link.hpp"

namespace runwire {

class SessionLane final : public Lane {
 public:
  enum class State { closed, waiting, connecting, idle, busy };

  // `place` is the lane's among all; it is the first half of its commands' ids. `is_idle`: it will get no command.
  SessionLane(Target& target, SessionLink& link, std::uint32_t place, bool is_idle = false);

  Step connect(Nanoseconds begun) override;
  Step start(Nanoseconds due, Nanoseconds begun) override;
  Step retry() override;
  Step expire() override;
  Step wind_up() override;
  void hang_up() override;

  State state() const { return state_; }
  bool is_closed() const override { return state_ == State::closed; }
  bool is_waiting() const override { return state_ == State::waiting; }
  bool is_open() const override { return state_ == State::idle || state_ == State::busy; }
  bool in_flight() const override {
    return has_command_ || state_ == State::waiting || state_ == State::connecting;
  }
  Nanoseconds heard() const override { return heard_; }
  std::optional<Nanoseconds> first_byte() const override;
  std::uint64_t take_bytes() override { return std::exchange(bytes_, 0); }

  // --- from the link ---

  std::uint32_t place() const { return place_; }
  const std::string& id() const { return id_; }  // of the present command; empty: none

  Step on_open();
  void on_header(const ServerMessage& message);
  void on_payload(std::string_view piece);
  Step on_end();  // of that frame
  Step on_broken(Failure failure, const std::string& why);
  bool feed();  // there is room for a piece of stdin; true: for another one, too

 private:
  enum class Frame { none, started, output, exit, error };

  Step attach();
  Step begin_command();
  Step begin_turn();
  void send_line();
  void on_credit(const Credit& credit);
  void give_credit(std::size_t bytes);
  Step on_started();
  Step on_output_end();
  Step on_last();
  Step finish();
  Step give_up(Failure failure, std::string why);
  bool is_conversation() const { return target_.exercise.kind == Exercise::Kind::converse; }

  Target& target_;
  SessionLink& link_;
  const std::uint32_t place_;
  const bool is_idle_;
  State state_ = State::closed;
  bool has_command_ = false;
  std::uint64_t commands_ = 0;
  std::string id_;
  Nanoseconds heard_ = 0;
  Nanoseconds first_byte_ = 0;  // 0: none yet
  std::uint64_t bytes_ = 0;     // since take_bytes()

  SessionCheck check_;
  Frame frame_ = Frame::none;
  StdStream stream_ = StdStream::out;
  std::array<std::uint64_t, 2> uncredited_{};

  // Of stdin.
  std::uint64_t sent_ = 0;
  std::uint64_t room_ = 0;  // so much more may be sent
  bool line_is_due_ = false;
  bool ended_ = false;       // no more may be sent
  bool winding_up_ = false;  // the end has been sent, and an exit is all that may come
};

}  // namespace runwire
