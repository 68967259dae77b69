// One command: a child, its streams and what it said.
//
// A Job is finished when the child has been reaped AND both pipes are at their end AND nothing is on its way to
// disk, in any order; job_finished() is then called, once. A grandchild may hold a pipe open for ever: by default we
// wait after the exit for kLingerQuietMs of quiet, kLingerCapMs at most, then finish with `cut` and throw away what
// still comes. One that we have ended is finished when all of it is gone, or can't be ended.
// With Linger::wait there is no limit to that wait but the command's own limits of time.
#pragma once

#include <uv.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "proto/message.hpp"
#include "server/cgroup.hpp"
#include "server/deadlines.hpp"
#include "server/input_pipe.hpp"
#include "server/job_request.hpp"
#include "server/output_log.hpp"
#include "server/output_pipe.hpp"
#include "server/process_state.hpp"
#include "server/process_tree.hpp"
#include "server/running_job.hpp"
#include "server/spawn.hpp"
#include "server/spawn_error.hpp"
#include "server/termination.hpp"
#include "server/uv_handle.hpp"

namespace runwire {

using JobId = std::uint64_t;
using ConnectionId = std::uint64_t;

inline constexpr unsigned kKillGraceMs = 1000;          // between TERM and KILL
inline constexpr unsigned kShutdownKillGraceMs = 5000;  // the same when the daemon goes away

// What a finished command leaves: how it ended, and the bytes that were kept.
struct JobResult {
  ReplyHeader header;
  std::unique_ptr<OutputLog> stdout_log;  // null where the header is an error, and where output was handed on
  std::unique_ptr<OutputLog> stderr_log;
  std::optional<bool> core = {};
  std::optional<std::int64_t> survivors = {};
};

// The seam between a job and whoever owns it.
class JobSink {
 public:
  virtual ~JobSink() = default;
  virtual void job_finished(JobId id) = 0;  // its result may be taken
  virtual void job_over(JobId id) = 0;  // nothing of it is left: child, group and pipes are gone; retire it
};

// The seam between a job and whoever follows it while it runs.
class JobListener {
 public:
  virtual ~JobListener() = default;
  virtual void job_started(JobId id, pid_t pid) = 0;
  // It has been reaped; each of its pipes may still hold 1 MiB of what it has written.
  virtual void job_exited(JobId) {}
  // How many bytes of an output that is handed on may come now; 0: none, until resume_output().
  virtual std::size_t output_room(JobId id, StdStream stream) = 0;
  virtual void job_output(JobId id, StdStream stream, std::string_view bytes) = 0;
  virtual void input_taken(JobId id, std::size_t bytes) = 0;  // the command's pipe has room for so many more
  virtual void input_closed(JobId id) = 0;                    // the command reads no more
};

enum class JobState { waiting, starting, running, lingering, finished, over };

class Job final : private ChildEvents {
 public:
  // What all jobs share.
  struct Shared {
    OutputStore& store;
    ProcessTable& processes;
    JobSink& sink;
    const CgroupTree* cgroups = nullptr;  // null: there are none to be had
  };

  // REQUIRES: what is shared outlives the Job, and so does the listener unless forget_listener() is called. Null:
  // nobody follows it.
  Job(JobId id, ConnectionId client, const Shared& shared, JobTerms terms, JobListener* listener = nullptr);

  // Before start(), for an output that is kept: it is read only then, which spares a short command's
  // pipes the loop, or from watch_output() on. That must be called soon: a pipe that is full stops the command.
  void hold_output() { holds_output_ = true; }
  void watch_output();

  // Before start(), for SpawnSpec::cgroup; -1: it wants none, or none is to be had.
  int make_cgroup();

  void start(Spawner& spawner, const SpawnSpec& spec, JobWishes wishes = {});

  // To go on in another program: job_move.cpp. What one that waits has to be told again there, before start().
  SaidAhead said_ahead() const;
  void hear(const SaidAhead& said);

  // Whether it can go on elsewhere now: it runs the program that it was started for, and its output is handed on.
  // running() is what goes on there.
  bool can_move() const;
  RunningJob running() const;
  // Instead of start(), there. The listener is told nothing of the start, and of its end in a later turn. REQUIRES:
  // spawner.can_adopt().
  void take_over(Spawner& spawner, RunningJob running);

  // TERM to it, KILL after `grace_ms`; `reason` is what the result will say. The first reason counts.
  void end(Reason reason, unsigned grace_ms);
  void kill_now(Reason reason);

  // To its group, in the order in which they are told: as soon as there is one, and what stops a process not before the
  // command runs. Of those that wait the same one is sent once.
  void signal(int number);
  InputPipe& input() { return input_; }
  const InputPipe& input() const { return input_; }
  void resume_output(StdStream stream);  // there is room again
  // Of no use to anybody: its writers get SIGPIPE. Of a terminal that is a hang-up: its command gets SIGHUP.
  void stop_output(StdStream stream);
  void resize(PtySize size);                                    // of its terminal, if it has one
  const std::optional<PtySize>& size() const { return size_; }  // where it was changed
  void forget_listener();

  // REQUIRES: job_finished() was called; once. From then on the Job keeps no output.
  JobResult take_result();

  JobId id() const { return id_; }
  ConnectionId client() const { return client_; }
  JobState state() const { return state_; }
  const JobTerms& terms() const { return terms_; }
  bool streams() const { return terms_.form == ReplyForm::stream; }
  bool wants_processor() const { return runwire::wants_processor(tree_.group().leader()); }
  bool has_kill_due() const { return termination_.is_under_way(); }
  bool holds_pipe() const { return stdout_pipe_.is_open() || stderr_pipe_.is_open(); }
  void drop_leftover();  // closes them; the background process gets SIGPIPE when it next writes

 private:
  enum Part : unsigned { kExit = 1, kStdout = 2, kStderr = 4 };

  void child_started(pid_t pid, ChildStreams streams) override;
  void child_failed(const SpawnFailure& failure) override;
  void child_exited(const ChildEnd& end) override;

  OutputPipe::Events events_of(Part part);
  InputPipe::Events input_events();
  Deadlines::Events deadline_events();
  OutputPipe& pipe_of(StdStream stream) { return stream == StdStream::out ? stdout_pipe_ : stderr_pipe_; }
  static Part part_of(StdStream stream) { return stream == StdStream::out ? kStdout : kStderr; }
  void open_streams(const ChildStreams& streams);
  void open_output(StdStream stream, int fd);
  void take_over_streams(const RunningJob& running);
  void hang_up();
  void on_output(std::size_t bytes);
  void on_log_progress();
  void on_quota_exceeded();
  void on_linger();
  void cut_off();

  void leader_has_gone(const ChildEnd& end);
  void enter_lingering();

  bool has_to_wait(int number) const;
  void send_signals();

  bool has_output_waiting() const;
  bool is_stalled(StdStream stream) const;
  void settle(unsigned parts);
  void settle_if_complete();
  void on_termination_over();
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
  const CgroupTree* cgroups_;       // outlive us; null: there are none
  std::unique_ptr<Cgroup> cgroup_;  // until tree_ has it
  const JobTerms terms_;
  JobSink& sink_;
  JobListener* listener_;  // outlives us, or is forgotten
  JobState state_ = JobState::waiting;
  OutputQuota quota_;
  std::unique_ptr<OutputLog> stdout_log_, stderr_log_;  // of an output that is kept; outlive the pipes
  OutputPipe stdout_pipe_, stderr_pipe_;
  InputPipe input_;
  std::unique_ptr<Child> child_;
  ProcessTree tree_;
  Deadlines deadlines_;
  Termination termination_;  // of tree_
  JobWishes wishes_;
  std::vector<int> waiting_signals_;
  unsigned early_stops_ = 0;  // of Part
  unsigned pending_ = kExit | kStdout | kStderr;
  std::optional<ChildEnd> end_;
  std::optional<Reason> ending_;     // why we end it; nothing while it may go on
  std::optional<ErrorReply> error_;  // a failure of ours that replaces the result
  bool has_terminal_ = false;
  std::optional<PtySize> size_;  // what it was changed to
  bool holds_output_ = false;
  bool truncated_ = false;
  bool cut_ = false;
  std::array<std::uint64_t, 2> handed_on_ = {0, 0};  // bytes of stdout and stderr
  std::array<std::uint64_t, 2> handed_on_before_exit_ = {0, 0};
  std::uint64_t lingers_since_ms_ =
      0;                   // loop time of its exit; with Linger::wait perhaps of its termination's end
  double started_ms_ = 0;  // by uv_hrtime()
  std::uint64_t read_since_exit_ = 0;
  Handle<uv_timer_t> linger_timer_, signal_timer_;
};

}  // namespace runwire
