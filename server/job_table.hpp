// All jobs, by id, and the queue of those that wait to be started.
#pragma once

#include <uv.h>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "proto/result.hpp"
#include "server/fair_queue.hpp"
#include "server/job.hpp"
#include "server/job_request.hpp"
#include "server/spawn.hpp"
#include "server/time_slice.hpp"
#include "server/uv_handle.hpp"
#include "server/young_window.hpp"

namespace runwire {

struct JobLimits {
  std::size_t max_running = 0;
  std::size_t max_queued = 0;
  std::uint64_t max_output_bytes = 0;
  // Pipes that background processes of finished commands still hold; beyond that the oldest are closed.
  std::size_t max_leftovers = 0;
};

// So long nothing is read of a command that may end any moment. A command that fills a pipe waits so long, at most.
inline constexpr std::uint64_t kHoldMs = 3;

// Who waits for commands. `client` may have gone in the meantime.
class JobClients {
 public:
  virtual ~JobClients() = default;
  virtual void command_finished(ConnectionId client, JobId id, JobResult result) = 0;
  virtual void jobs_are_idle() = 0;  // nothing runs or waits any more, and no group is left to kill
};

class JobTable final : private JobSink {
 public:
  // REQUIRES: everything passed by reference outlives the table.
  // `how` says how commands are spawned; what a request says is filled in anew for each. Its mark is the beginning of
  // every mark.
  // `cgroups` outlive it; null: there are none for commands that want one.
  JobTable(OutputStore& store, Spawner& spawner, JobClients& clients, JobLimits limits, SpawnSpec how,
           const CgroupTree* cgroups = nullptr);

  // Runs it when its turn comes, at the earliest when this turn of the loop is over. command_finished() is called once
  // for it, unless the client is abandoned first. Empty where the queue is full.
  // REQUIRES: `listener` outlives the command, or its client is abandoned first. Null: nobody follows it.
  std::optional<JobId> submit(ConnectionId client, JobRequest request, JobListener* listener = nullptr);

  // The mark for the next command that is submitted; empty where `how` has none to begin it with.
  std::string next_mark() const {
    return mark_prefix_.empty() ? "" : mark_prefix_ + std::to_string(last_id_ + 1);
  }

  // One that has been submitted and is not finished; else null. Valid until the loop goes on.
  Job* find(JobId id);

  // Ends all of it, and says so in its result. One that waits is never started.
  void cancel(JobId id);

  // The client has gone: what it has queued is forgotten, what it has running is ended.
  void abandon(ConnectionId client);

  void end_all(Reason reason, unsigned grace_ms);
  void drop_queued(const ErrorReply& why);  // but for those that are held back

  // Starts nothing of the clients from `bound` on; those of others have their turn. Until let_go().
  void hold_back(ConnectionId bound);
  void let_go();

  // Goes on where another table was: with the numbers behind `last_id`, and with commands that it had running.
  void go_on_behind(JobId last_id) { last_id_ = last_id; }
  JobId last_id() const { return last_id_; }
  JobId take_over(ConnectionId client, JobTerms terms, RunningJob running, JobListener* listener);
  // One that waits has its place in the queue, however long that may be here.
  JobId take_over(ConnectionId client, JobRequest request, const SaidAhead& said, JobListener* listener);
  // For a table that does so. What one that waits is to do; null for one that has been started.
  const JobRequest* waiting_request(JobId id) const;
  std::vector<RunningJob> leftovers() const;
  // Of the clients whose numbers are below `bound`:
  bool has_jobs_below(ConnectionId bound) const;
  void end_all_below(ConnectionId bound, Reason reason, unsigned grace_ms);
  bool has_kill_due() const;

  bool is_idle() const;
  std::size_t running() const { return jobs_.size() - queued(); }
  std::size_t queued() const { return queue_.size() + held_back_.size(); }

 private:
  void job_finished(JobId id) override;
  void job_over(JobId id) override;

  using OfClients = std::set<std::pair<ConnectionId, JobId>>;

  // A job that is not finished; its request, until it is started.
  struct Entry {
    std::unique_ptr<Job> job;
    JobRequest request;
    OfClients::iterator of_client;
  };

  JobId enqueue(ConnectionId client, JobRequest request, JobListener* listener);
  FairQueue<ConnectionId, JobId>& queue_of(ConnectionId client);
  void share_out(FairQueue<ConnectionId, JobId>& queue);
  void start(JobId id);
  void give_terminal(const PtyWish& wish);
  void start_waiting();
  void give_way();
  void choose_time_slice();
  void forget(JobId id);
  void hold_output_of(Job& job);
  void watch_older_ones();
  void bound_leftovers();

  OutputStore& store_;
  ProcessTable processes_;
  JobClients& clients_;
  Spawner& spawner_;
  const JobLimits limits_;
  SpawnSpec spec_;  // what a request says stands in it only while its command is started
  const std::string mark_prefix_;
  const CgroupTree* cgroups_;
  JobId last_id_ = 0;
  FairQueue<ConnectionId, JobId> queue_;
  FairQueue<ConnectionId, JobId> held_back_;         // while some are
  std::optional<ConnectionId> held_from_;            // those of these clients are
  std::unordered_map<JobId, Entry> jobs_;            // those that wait included
  std::map<JobId, std::unique_ptr<Job>> leftovers_;  // by age: finished, but a pipe is held or a kill is due
  OfClients by_client_;                              // of jobs_
  RetireList<Job> retired_;
  AfterTurn dispatch_;
  YoungWindow young_;
  struct Youngest {
    JobId id;
    std::uint64_t due_ms;  // loop time
  };
  std::deque<Youngest>
      youngest_;  // whole replies' commands that are no older than kHoldMs; some have ended already
  Handle<uv_timer_t> watch_timer_;
  TimeSlice time_slice_;
  std::size_t streams_ = 0;           // commands of which somebody reads what they write meanwhile
  Handle<uv_prepare_t> before_poll_;  // active while commands wait for a place
};

}  // namespace runwire
