// One command: a child, its two output pipes and what they said.
//
// A Job is finished when the child has been reaped AND both pipes are at their end AND nothing is on its way to
// disk, in any order; job_finished() is then called, once. A grandchild may hold a pipe open for ever: after the
// exit we wait for kLingerQuietMs of quiet, kLingerCapMs at most, then finish with `cut` and throw away what
// still comes.
#pragma once

#include <uv.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "proto/message.hpp"
#include "server/output_log.hpp"
#include "server/output_pipe.hpp"
#include "server/process_group.hpp"
#include "server/process_state.hpp"
#include "server/spawn.hpp"
#include "server/uv_handle.hpp"

namespace runwire {

using JobId = std::uint64_t;
using ConnectionId = std::uint64_t;

inline constexpr unsigned kKillGraceMs = 1000;          // between TERM and KILL
inline constexpr unsigned kShutdownKillGraceMs = 5000;  // the same when the daemon goes away

// What a finished command leaves: the header of its reply, and the bytes.
struct JobResult {
  ReplyHeader header;
  std::unique_ptr<OutputLog> stdout_log;  // null where the header is an error
  std::unique_ptr<OutputLog> stderr_log;
};

// The seam between a job and whoever wants to know of it.
class JobSink {
 public:
  virtual ~JobSink() = default;
  virtual void job_finished(JobId id) = 0;  // its result may be taken
  virtual void job_over(JobId id) = 0;  // nothing of it is left: child, group and pipes are gone; retire it
};

enum class JobState { starting, running, lingering, finished, over };

class Job final : private ChildEvents {
 public:
  // REQUIRES: store and sink outlive the Job.
  Job(JobId id, ConnectionId client, OutputStore& store, std::uint64_t max_output_bytes, JobSink& sink);

  void start(Spawner& spawner, const SpawnSpec& spec);

  // TERM to the whole group, KILL after `grace_ms`; `reason` is what the result will say. The first reason counts.
  void end(Reason reason, unsigned grace_ms);
  void kill_now(Reason reason);

  // REQUIRES: job_finished() was called; once. From then on the Job keeps no output.
  JobResult take_result();

  JobId id() const { return id_; }
  ConnectionId client() const { return client_; }
  JobState state() const { return state_; }
  bool wants_processor() const { return runwire::wants_processor(group_.leader()); }
  bool has_kill_due() const { return kill_timer_ != nullptr; }
  bool holds_pipe() const { return stdout_pipe_.is_open() || stderr_pipe_.is_open(); }
  void drop_leftover();  // closes them; the background process gets SIGPIPE when it next writes

 private:
  enum Part : unsigned { kExit = 1, kStdout = 2, kStderr = 4 };

  void child_started(pid_t pid, ChildStreams streams) override;
  void child_failed(const SpawnFailure& failure) override;
  void child_exited(const ChildEnd& end) override;

  OutputPipe::Events events_of(Part part);
  void on_output(std::size_t bytes);
  void on_log_progress();
  void on_quota_exceeded();
  void on_linger();
  void on_kill();

  void settle(unsigned parts);
  void settle_if_complete();
  void linger();
  void start_linger_timer(std::uint64_t ms);
  void finish();
  void leave_if_over();
  bool output_is_complete() const;
  JobResult failed_result();
  void enter(JobState next);

  const JobId id_;
  const ConnectionId client_;
  OutputStore& store_;
  JobSink& sink_;
  JobState state_ = JobState::starting;
  OutputQuota quota_;
  std::unique_ptr<OutputLog> stdout_log_, stderr_log_;  // outlive the pipes that write into them
  OutputPipe stdout_pipe_, stderr_pipe_;
  std::unique_ptr<Child> child_;
  ProcessGroup group_;
  unsigned pending_ = kExit | kStdout | kStderr;
  std::optional<ExitStatus> status_;
  std::optional<Reason> ending_;     // why we end it; nothing while it may go on
  std::optional<ErrorReply> error_;  // a failure of ours that replaces the result
  Usage usage_;
  bool truncated_ = false;
  bool cut_ = false;
  std::uint64_t exited_at_ms_ = 0;  // loop time
  std::uint64_t read_since_exit_ = 0;
  std::uint64_t kill_due_ms_ = 0;  // loop time; while there is a kill_timer_
  Handle<uv_timer_t> linger_timer_, kill_timer_;
};

}  // namespace runwire
