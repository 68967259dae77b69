// Drives many lanes against one daemon and measures.
//
// Closed loop: every lane has its next command sent as soon as the last is answered, so the daemon sets the pace. Open
// loop: commands are due by a schedule that knows nothing of the daemon, and a latency counts from that intended
// moment, also where all connections were busy then. (A closed loop, or a latency from the moment of sending, leaves
// out the waiting that real users see: "coordinated omission".)
// Source: wrk2 (Gil Tene).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/arrivals.hpp"
#include "bench/clock.hpp"
#include "bench/failure.hpp"
#include "bench/histogram.hpp"
#include "bench/lane.hpp"

namespace runwire {

struct OpenLoop {
  double per_second = 0;
  Spacing spacing = Spacing::poisson;
};

struct Plan {
  std::uint32_t connections = 8;      // lanes: commands at a time
  std::uint32_t sessions = 0;         // that carry the lanes; 0: one for each
  std::uint32_t idle_sessions = 0;    // further ones without a command
  bool endless = false;               // commands do not end: what is under way when the time is up is cut off
  bool new_connections = false;       // one for each command; its latency then includes connecting
  std::optional<OpenLoop> open_loop;  // absent: closed loop
  Nanoseconds timeout = 10 * kSecond;
};

// How long a run starts new commands. At least one must be set; whichever is reached first ends it.
struct Extent {
  std::uint64_t commands = 0;
  Nanoseconds duration = 0;
};

struct Tally {
  Histogram latency;     // of right replies
  Histogram first_byte;  // the same, until the first byte of output; where output is streamed
  std::uint64_t right = 0;
  FailureCounts failures{};         // of commands, and of connections between commands
  std::string first_failure;        // in words
  std::uint64_t payload_bytes = 0;  // of right replies
  std::uint64_t reconnects = 0;     // connections that should have been kept and were opened anew
  std::uint64_t waited = 0;         // open loop: commands that were due while all connections were busy
  Nanoseconds elapsed = 0;          // the duration asked for, or longer: until the last right reply
  std::string gave_up;              // why the run ended before its time; empty: it did not
  std::vector<std::uint64_t>
      lane_bytes;  // payload through each lane, also of commands that were cut off; sessions only

  std::uint64_t failed() const;
  bool all_right() const { return failed() == 0 && gave_up.empty(); }
  double per_second() const { return elapsed == 0 ? 0 : static_cast<double>(right) / seconds(elapsed); }
  std::uint64_t bytes_through() const;
  double slowest_share()
      const;  // what the lane with the fewest bytes has of their mean; 1 where there are none
};

// Told of a run four times a second; says whether it shall go on.
using Observer = std::function<bool(const Tally& so_far, Nanoseconds elapsed)>;

inline std::uint64_t count_of(const Tally& tally, Failure failure) {
  return tally.failures[static_cast<std::size_t>(failure)];
}

class Load {
 public:
  // `target` outlives the load.
  Load(Target& target, const Plan& plan);

  // Opens all connections, at once. Those that fail are opened again when a command needs them.
  // ERRORS: refused or timeout, when not one could be opened; the message says why.
  Status connect();

  // Runs commands for `extent` and waits for the replies of all that were started. May be called again: the
  // connections stay. It gives up when the daemon answers nothing for the plan's timeout, or long runs of
  // commands fail without one right reply between them.
  Tally run(const Extent& extent, const Observer& observer);

  // Brings conversations to their end, after the last run; the tally is of how that went.
  Tally wind_up();

  // How many of the idle sessions are gone.
  std::uint64_t idle_lost();

 private:
  bool may_start(Nanoseconds now) const;
  void start_due(Nanoseconds now);
  void turn(Nanoseconds now);
  Nanoseconds longest_wait(Nanoseconds now) const;
  void retry_waiting();
  void handle(std::uint32_t token, Step step);
  void finish(std::uint32_t token, Nanoseconds now);
  void record(const Lane& lane, Nanoseconds now);
  void take_bytes(std::uint32_t token);
  void fail(Failure failure, const std::string& why);
  void tick(Nanoseconds now, const Observer& observer);
  void expire_overdue(Nanoseconds now);
  void count_unsent(Nanoseconds now);
  bool is_over(Nanoseconds now) const;
  Tally close_run();
  Nanoseconds asked_span(Nanoseconds now) const;

  Target& target_;
  const Plan plan_;
  std::unique_ptr<Lanes> lanes_;        // those after the plan's connections have nothing to do
  std::deque<std::uint32_t> free_;      // lanes without a command, the longest free first
  std::vector<std::uint32_t> waiting_;  // lanes to retry(): the listener's queue was full
  std::vector<Ready> ready_;
  std::vector<Told> told_;

  // Of the present run.
  Extent extent_;
  std::optional<Arrivals> arrivals_;
  Tally tally_;
  bool stopped_ = false;  // by the observer
  std::uint64_t started_ = 0;
  std::uint64_t in_flight_ = 0;
  std::uint64_t failed_in_a_row_ = 0;
  Nanoseconds begin_ = 0;
  Nanoseconds last_right_ = 0;
  Nanoseconds free_since_ = 0;  // since when there has always been a free lane
  Nanoseconds next_tick_ = 0;
  Nanoseconds next_observation_ = 0;
};

}  // namespace runwire
