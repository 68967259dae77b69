// The limits of a command's time: from its start, and without output. Times are loop time, in ms.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <optional>

#include "proto/outcome.hpp"
#include "server/job_request.hpp"
#include "server/uv_handle.hpp"

namespace runwire {

class Deadlines {
 public:
  struct Events {
    std::function<void(Reason)> on_missed;     // timeout or idle_timeout; at most once each
    std::function<bool()> has_output_waiting;  // for a reader: then the command is not idle
  };

  // REQUIRES: `terms`, which have the limits, outlive the Deadlines.
  Deadlines(uv_loop_t* loop, const JobTerms& terms, Events events);
  Deadlines(const Deadlines&) = delete;
  Deadlines& operator=(const Deadlines&) = delete;

  void start();  // the command starts now
  // Instead of start(), for one that has run before; its last output has been told. Absent: it is due now.
  void go_on(std::optional<std::uint64_t> timeout_due_ms);
  void stop();

  void output_came();
  void output_came_at(std::uint64_t ms) { last_output_ms_ = ms; }

  std::uint64_t last_output_ms() const { return last_output_ms_; }  // of its start before there was any
  std::optional<std::uint64_t> timeout_due_ms() const;  // absent: there is no such limit, or not any more

 private:
  void arm(std::uint64_t timeout_in_ms);
  void on_timeout();
  void on_idle();

  uv_loop_t* loop_;  // outlives us
  const JobTerms& terms_;
  Events events_;
  std::uint64_t last_output_ms_ = 0;
  std::uint64_t timeout_due_ms_ = 0;  // while there is a timeout_timer_
  Handle<uv_timer_t> timeout_timer_, idle_timer_;
};

}  // namespace runwire
