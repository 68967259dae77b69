// All jobs, by id, and the queue of commands that wait to become one.
#pragma once

#include <uv.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>

#include "proto/result.hpp"
#include "server/fair_queue.hpp"
#include "server/job.hpp"
#include "server/spawn.hpp"
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

// Who waits for commands. `client` may have gone in the meantime.
class JobClients {
 public:
  virtual ~JobClients() = default;
  virtual void command_finished(ConnectionId client, JobResult result) = 0;
  virtual void jobs_are_idle() = 0;  // nothing runs or waits any more, and no group is left to kill
};

class JobTable final : private JobSink {
 public:
  // REQUIRES: everything passed by reference outlives the table.
  // `how` says how commands are spawned; its command is filled in anew for each.
  JobTable(OutputStore& store, Spawner& spawner, JobClients& clients, JobLimits limits, SpawnSpec how);

  // Runs `command` when its turn comes, at the earliest when this turn of the loop is over. command_finished()
  // is called once for it, unless the client is abandoned first. False where the queue is full.
  bool submit(ConnectionId client, std::string command);

  // The client has gone: what it has queued is forgotten, what it has running is ended.
  void abandon(ConnectionId client);

  void end_all(Reason reason, unsigned grace_ms);
  void drop_queued();

  bool is_idle() const;
  std::size_t running() const { return running_.size(); }
  std::size_t queued() const { return queue_.size(); }

 private:
  void job_finished(JobId id) override;
  void job_over(JobId id) override;

  void start(ConnectionId client, std::string command);
  void start_waiting();
  void give_way();
  void forget_client_of(const Job& job);
  void bound_leftovers();

  OutputStore& store_;
  JobClients& clients_;
  Spawner& spawner_;
  const JobLimits limits_;
  SpawnSpec spec_;
  JobId last_id_ = 0;
  FairQueue<ConnectionId, std::string> queue_;
  std::unordered_map<JobId, std::unique_ptr<Job>> running_;
  std::map<JobId, std::unique_ptr<Job>> leftovers_;  // by age: finished, but a pipe is held or a kill is due
  std::unordered_multimap<ConnectionId, JobId> by_client_;  // of running_
  RetireList<Job> retired_;
  AfterTurn dispatch_;
  YoungWindow young_;
  Handle<uv_prepare_t> before_poll_;  // active while commands wait for a place
};

}  // namespace runwire
