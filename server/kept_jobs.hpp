// The kept commands of the daemon, by id: those that wait, run, or are over and still kept, and which ids there have
// been.
#pragma once

#include <uv.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "server/kept_job.hpp"
#include "server/uv_handle.hpp"

namespace runwire {

inline constexpr std::size_t kGoneIds = 131072;  // that are remembered

class KeptJobs {
 public:
  struct Limits {
    std::size_t max_kept = 0;  // those that are over included
    std::uint64_t max_keep_ms = 0;
    std::size_t max_gone = kGoneIds;
  };

  // REQUIRES: all in `ground` outlives this.
  KeptJobs(const KeptJob::Ground& ground, Limits limits)
      : ground_(ground), limits_(limits), expiry_(make_timer(ground.store.loop(), this)) {}
  KeptJobs(const KeptJobs&) = delete;
  KeptJobs& operator=(const KeptJobs&) = delete;

  // One that belongs to the daemon from now on. Null where there is no place for it. REQUIRES: the id is free.
  std::shared_ptr<KeptJob> start(ConnectionId client, KeptJob::Order order, JobRequest request,
                                 MemoryLease request_memory);
  // One that belongs to whoever asks, and ends with `client`.
  std::shared_ptr<KeptJob> start_unkept(ConnectionId client, KeptJob::Order order, JobRequest request,
                                        MemoryLease request_memory);

  // As the owner of its jobs a client's kept commands are another client: they take their turn beside his others, and
  // are not abandoned with them.
  static bool owns(ConnectionId owner) { return (owner & kFirstOwner) != 0; }
  static constexpr ConnectionId kFirstOwner = ConnectionId{1} << 63;  // none of the others has such a number
  void command_finished(JobId id, JobResult result);

  std::shared_ptr<KeptJob> find(const std::string& id) const;
  bool is_gone(std::string_view id) const { return gone_.contains(digest(id, 0)); }
  std::string make_id();
  void forget(const KeptJob& job);  // REQUIRES: it is finished

  std::size_t size() const { return by_age_.size(); }
  // The oldest that is younger than `age`, and its own age; null behind the youngest. Ages begin with 1.
  std::pair<std::uint64_t, const KeptJob*> next_after(std::uint64_t age) const;
  JobInfo info(std::uint64_t age) const;  // REQUIRES: it is there

  // Whether all of them can go on in another program now; and what of them is handed to it, beside their commands the
  // ids that are gone.
  bool can_move() const;
  void hand_over(Handover& handover) const;
  // There. Once, before all else.
  void take_over(Handover& handover);

 private:
  struct Entry {
    std::shared_ptr<KeptJob> job;
    std::uint64_t due_ms = 0;  // loop time; once it is finished
  };

  void take_over(HandedJob handed);
  void retain(std::uint64_t age);
  void remove(std::uint64_t age);
  void remember(std::string_view id);
  void await_expiry();
  void on_expiry();

  const KeptJob::Ground ground_;
  const Limits limits_;
  std::uint64_t last_age_ = 0;
  std::uint64_t last_made_id_ = 0;
  std::map<std::uint64_t, Entry> by_age_;
  std::unordered_map<std::string_view, std::uint64_t> by_id_;  // the words are the jobs' own
  std::unordered_map<JobId, std::uint64_t> unfinished_;        // ages
  std::set<std::pair<std::uint64_t, std::uint64_t>> by_due_;   // (time, age) of those that are finished
  Handle<uv_timer_t> expiry_;                                  // of the first one
  std::unordered_set<std::uint64_t> gone_;                     // digests of ids
  std::deque<std::uint64_t> gone_in_order_;
};

}  // namespace runwire
