// One place in a load for a command that is under way. A lane does what its socket allows and says what came of it;
// when the next command starts, and what time it is, the load decides. What kinds there are: plain_lane.hpp,
// session_lane.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/clock.hpp"
#include "bench/endpoint.hpp"
#include "bench/exercise.hpp"
#include "bench/failure.hpp"
#include "bench/readiness.hpp"
#include "bench/reply_check.hpp"

namespace runwire {

// What all lanes of a load share. It outlives them.
struct Target {
  Readiness& readiness;
  Endpoint endpoint;
  std::string command;
  Expectation expected;
  Exercise exercise = {};
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
  virtual ~Lane() = default;
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // Connects, and no more; it is `begun` now. REQUIRES: is_closed().
  virtual Step connect(Nanoseconds begun) = 0;

  // Starts a command, which was due at `due` and is `begun` now; connects first if need be. REQUIRES: not in_flight().
  virtual Step start(Nanoseconds due, Nanoseconds begun) = 0;

  // REQUIRES: is_waiting() (the last step was queue_full).
  virtual Step retry() = 0;

  // The command (or the connect) took too long and is given up. REQUIRES: in_flight().
  virtual Step expire() = 0;

  // What is still open of a conversation is brought to its end; most lanes have nothing to do. REQUIRES: not
  // in_flight().
  virtual Step wind_up() { return Step::connected; }

  // Closes the connection, if there is one and no other lane uses it; a command that is under way is cancelled.
  virtual void hang_up() = 0;

  virtual bool is_closed() const = 0;
  virtual bool is_waiting() const = 0;
  virtual bool is_open() const = 0;    // has a connection
  virtual bool in_flight() const = 0;  // a command or a connect is under way

  Nanoseconds due() const { return due_; }
  Nanoseconds begun() const { return begun_; }

  // When something last came or went; what is under way expires that much later.
  virtual Nanoseconds heard() const { return begun_; }

  // When the first byte of the last command's output came, where it comes before the end.
  virtual std::optional<Nanoseconds> first_byte() const { return std::nullopt; }

  // Payload bytes that have gone through since this was last asked.
  virtual std::uint64_t take_bytes() { return 0; }

  // About the last step that was `answered` or `lost`. Nothing: all is well.
  std::optional<Failure> failure() const { return failure_; }
  const std::string& why() const { return why_; }

 protected:
  Lane() = default;

  Nanoseconds due_ = 0;
  Nanoseconds begun_ = 0;
  std::optional<Failure> failure_;
  std::string why_;
};

// What came of a lane, by its place.
struct Told {
  std::uint32_t lane;
  Step step;
};

// All lanes of a load, and the connections under them.
class Lanes {
 public:
  virtual ~Lanes() = default;
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  virtual std::uint32_t size() const = 0;
  virtual Lane& operator[](std::uint32_t place) = 0;

  // One of their sockets is ready. Appends what came of it, without what is pending.
  virtual void on_ready(const Ready& ready, std::vector<Told>& told) = 0;

 protected:
  Lanes() = default;
};

}  // namespace runwire
