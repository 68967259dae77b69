// The daemon: owns listeners, connections and jobs, and ends them in order.
#pragma once

#include <uv.h>

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "server/connection.hpp"
#include "server/job_table.hpp"
#include "server/kept_jobs.hpp"
#include "server/listener.hpp"
#include "server/options.hpp"
#include "server/refusal_log.hpp"
#include "server/upgrade.hpp"

namespace runwire {

class Server final : private JobClients {
 public:
  // REQUIRES: `loop` and `spawner` outlive the server, and the loop is run until it is empty after the server died.
  // With `handover` it goes on where another program of this process was. `successor` is who may take its place; null:
  // nobody. It outlives the server.
  Server(uv_loop_t* loop, Spawner& spawner, Options options, Successor* successor = nullptr,
         std::optional<Handover> handover = {});

  // Opens every listener, and says on stdout where and how to reach them.
  Status start();

  // The first call stops accepting, lets what runs finish for the drain time, then ends it; the second ends it at
  // once. When nothing is left the loop is stopped.
  void stop();

 private:
  enum class Phase { serving, draining, ending, stopped };

  void command_finished(ConnectionId client, JobId id, JobResult result) override;
  void jobs_are_idle() override;

  SpawnSpec spawn_spec() const;
  SpillArena make_arena();
  Status open_listeners();
  Status take_over_listeners();
  void take_over();
  Upgrade::Steps upgrade_steps();
  Handover handover() const;
  Status gather();
  void hold_still(bool yes);
  bool is_ready();
  void go_back();
  void announce() const;
  void watch_signals();
  void on_signal(int number);

  void accept(Stream stream);
  void turn_away(Connection& connection, std::string_view reason, std::string_view error,
                 std::string message);
  void connection_closed(ConnectionId id);

  void drain();
  void wind_up_connections(WindUp why);
  void end_jobs(unsigned grace_ms, unsigned patience_ms);
  void on_patience_over();
  void close_connections();
  void visit_connections(const std::function<void(Connection&)>& visit);
  void stop_if_idle();
  void enter(Phase next);

  uv_loop_t* loop_;
  const Options options_;
  std::optional<Handover> handed_;  // until start()
  const std::size_t max_connections_;
  Phase phase_ = Phase::serving;
  OutputStore store_;
  DirectCalls direct_calls_;
  MemoryBudget requests_{kRequestMemoryBytes};
  MemoryBudget inputs_{kInputMemoryBytes};
  ServerHello hello_;
  const std::unique_ptr<CgroupTree> cgroups_;  // null: none are to be had
  JobTable jobs_;
  SpillArena arena_;
  KeptJobs kept_;
  Connection::Context context_;
  RefusalLog refusals_;
  ConnectionId last_id_ = 0;
  std::unordered_map<ConnectionId, std::unique_ptr<Connection>> connections_;
  std::unordered_set<ConnectionId> turned_away_;  // of connections_: they only wait to be closed
  RetireList<Connection> retired_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<Descriptor> silent_;    // connections, while an upgrade gathers
  std::unique_ptr<Upgrade> upgrade_;  // null: nobody may take the place
  Handle<uv_timer_t> patience_;       // of the present phase of stopping
  std::vector<Handle<uv_signal_t>> signals_;
};

}  // namespace runwire
