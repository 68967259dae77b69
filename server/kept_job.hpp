// One command whose output is recorded for clients that come and go: a kept one, which belongs to the daemon, or one
// that ends with its session and has asked for more room than its connection gives.
//
// It follows its job as long as that runs, and outlives it: what there is to be known of the command is here. Who
// follows it has a cursor of his own in each record, and is told the rest. It is shared: the daemon may forget it while
// some still read what it has, and each of these has it until the last byte.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proto/session_message.hpp"
#include "server/fingerprint.hpp"
#include "server/handover.hpp"
#include "server/job_table.hpp"
#include "server/memory_budget.hpp"
#include "server/output_record.hpp"
#include "server/running_job.hpp"

namespace runwire {

// The seam between a kept command and whoever follows it.
class JobFollower {
 public:
  virtual ~JobFollower() = default;
  virtual void job_started() = 0;
  virtual void input_credited(std::uint64_t bytes) = 0;  // which state() does not yet count
  virtual void input_closed() = 0;
  virtual void job_finished() = 0;  // its outcome is there; its last output may still be unread
  // Its place in that stream; null where it does not want it.
  virtual const RecordCursor* cursor(StdStream stream) const = 0;
  // It has held up the command, and others, for too long, and is no follower any more.
  virtual void was_too_slow() = 0;
};

class KeptJob final : private JobListener {
 public:
  // What all of them stand on.
  struct Ground {
    JobTable& jobs;
    OutputStore& store;
    SpillArena& arena;
    MemoryBudget& requests;  // of commands that wait
    MemoryBudget& inputs;
    std::uint64_t spill_bytes = 0;  // of a stream
    unsigned follower_timeout_ms = 0;
  };
  struct Order {
    std::string id;
    Fingerprint fingerprint = {};
    std::string command = {};  // for people
    std::string who = {};      // likewise
    Full full = Full::block;
    std::optional<std::uint64_t> keep_ms = {};  // none: it ends with its session
    bool takes_stdin = false;
    bool has_terminal = false;
  };
  // How the command ended, or why it never ran; nothing as long as it may.
  using Outcome = std::variant<std::monostate, Exit, ErrorReply>;

  // REQUIRES: `ground` outlives it, and so do its followers unless they leave. It must not die before its job is
  // finished or abandoned.
  // `handed` is its beginning(), and submit() follows; or what another program had of it, and then go_on() or nothing
  // follows, as it waits or runs, or is over.
  KeptJob(const Ground& ground, Order order, HandedJob handed);
  static HandedJob beginning(const Ground& ground, const Order& order);
  KeptJob(const KeptJob&) = delete;
  KeptJob& operator=(const KeptJob&) = delete;

  // Once. False where there is no place, for the command or for its input.
  bool submit(ConnectionId owner, JobRequest request, MemoryLease request_memory);
  void finish(JobResult result);
  // Instead of submit(), for one that another program had; once.
  void go_on(ConnectionId owner, JobTerms terms, RunningJob running);
  void go_on(ConnectionId owner, JobRequest request, const SaidAhead& said);

  // Whether it can go on in another program now, and as what.
  bool can_move() const;
  HandedJob handed() const;

  const Order& order() const { return order_; }
  JobId job() const { return job_; }
  JobPhase phase() const;
  std::optional<std::int64_t> pid() const { return pid_; }
  const Outcome& outcome() const { return outcome_; }
  bool is_finished() const { return outcome_.index() != 0; }
  KeptState state() const;
  JobInfo info() const;  // but for the time it is still kept
  OutputRecord& record(StdStream stream) { return stream == StdStream::err ? err_ : out_; }

  void follow(JobFollower& follower);
  void leave(JobFollower& follower);

  // Why that input can't be; empty where it can.
  std::string objection_to(const StdinBytes& input) const;
  // Bytes by their place: those that have come before are skipped. REQUIRES: place <= that of the next one.
  void take_input(std::uint64_t place, std::string_view bytes);
  void end_input(std::uint64_t place);

  void signal(int number);
  void resize(PtySize size);
  void cancel();
  void stop_output(StdStream stream);

 private:
  // How long a follower has held up the command at the same place in a stream.
  struct Stay {
    std::optional<std::uint64_t> place = {};
    std::uint64_t since_ms = 0;  // loop time
  };
  struct Following {
    JobFollower* who = nullptr;
    std::array<Stay, 2> stays = {};
  };

  void job_started(JobId id, pid_t pid) override;
  void job_exited(JobId id) override;
  std::size_t output_room(JobId id, StdStream stream) override;
  void job_output(JobId id, StdStream stream, std::string_view bytes) override;
  void input_taken(JobId id, std::size_t bytes) override;
  void input_closed(JobId id) override;

  void dress(JobRequest& request) const;
  void hand_over(const Job& job, HandedJob& handed) const;
  template <class Tell> void tell_followers(Tell tell);
  void resume(StdStream stream);
  void watch_followers();
  void look_at_followers();
  bool is_too_slow(Following& following, StdStream stream) const;
  bool is_awaited(const JobFollower& holder, StdStream stream) const;

  const Ground& ground_;
  const Order order_;
  JobId job_ = 0;
  std::uint64_t since_ms_;  // loop time
  std::optional<std::int64_t> pid_;
  Outcome outcome_;
  OutputRecord out_, err_;
  std::vector<Following> followers_;
  std::uint64_t input_off_ = 0;      // place of the next byte of input
  std::uint64_t input_allowed_ = 0;  // place of the first one that may not come yet
  std::uint64_t input_owed_ = 0;     // taken by the command, and not yet given as credit
  bool input_ended_ = false;         // no more is wanted: it has come, or the command does not read it
  bool input_ended_by_client_ = false;
  MemoryLease request_memory_;  // until it is started
  MemoryLease input_memory_;
  Handle<uv_timer_t> slow_timer_;  // while somebody holds up somebody else
};

}  // namespace runwire
