// One connection of the load and the command that is under way on it. A lane does what its socket allows and
// says what came of it; when the next command starts, and what time it is, the load decides.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/clock.hpp"
#include "bench/endpoint.hpp"
#include "bench/failure.hpp"
#include "bench/readiness.hpp"
#include "bench/reply_check.hpp"
#include "proto/frame_reader.hpp"

namespace runwire {

// What all lanes of a load share. It outlives them.
struct Target {
  Readiness& readiness;
  Endpoint endpoint;
  std::string command;
  Expectation expected;
  std::vector<char> scratch = std::vector<char>(std::size_t{256} << 10);  // for one read at a time
};

// What a call made of a lane.
enum class Step {
  pending,     // nothing to tell yet
  connected,   // connect() has succeeded
  queue_full,  // not connected, for the listener's queue is full: call retry() a little later
  answered,    // the command is over; failure() says how
  lost,        // the connection ended while no command was under way; failure() says how, if it was ill
};

class Lane {
 public:
  enum class State { closed, waiting, connecting, idle, sending, receiving };

  Lane(Target& target, std::uint32_t token) : target_(target), token_(token), check_(target.expected) {}
  ~Lane() { hang_up(); }
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // Connects, and no more; it is `begun` now. REQUIRES: closed.
  Step connect(Nanoseconds begun);

  // Starts a command, which was due at `due` and is `begun` now; connects first if need be.
  // REQUIRES: closed or idle.
  Step start(Nanoseconds due, Nanoseconds begun);

  // REQUIRES: waiting (the last step was queue_full).
  Step retry();

  // The socket is ready. REQUIRES: `ready` is about this lane's present socket.
  Step on_ready(const Ready& ready);

  // The command (or the connect) took too long and is given up with its connection. REQUIRES: in_flight().
  Step expire();

  // Closes the connection, if there is one; a command that is under way is cancelled by a reset.
  void hang_up();

  State state() const { return state_; }
  bool in_flight() const { return has_command_ || state_ == State::waiting || state_ == State::connecting; }
  Nanoseconds due() const { return due_; }
  Nanoseconds begun() const { return begun_; }
  int fd() const { return fd_.get(); }  // -1 without a connection

  // About the last step that was `answered` or `lost`. Nothing: all is well.
  std::optional<Failure> failure() const { return failure_; }
  const std::string& why() const { return why_; }

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
  Nanoseconds due_ = 0;
  Nanoseconds begun_ = 0;
  FrameReader reader_;
  ReplyCheck check_;
  std::optional<Failure> failure_;
  std::string why_;
};

}  // namespace runwire
