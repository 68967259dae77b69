#include "server/job_table.hpp"

#include <sched.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "server/log.hpp"

namespace runwire {

JobTable::JobTable(OutputStore& store, Spawner& spawner, JobClients& clients, JobLimits limits, SpawnSpec how,
                   const CgroupTree* cgroups)
    : store_(store),
      clients_(clients),
      spawner_(spawner),
      limits_(limits),
      spec_(std::move(how)),
      mark_prefix_(spec_.mark),
      cgroups_(cgroups),
      retired_(store.loop()),
      dispatch_(store.loop(), [this] { start_waiting(); }),
      young_(store.loop(), young_places(),
             {[this] { start_waiting(); }, [this](JobId id) { return jobs_.at(id).job->wants_processor(); }}),
      watch_timer_(make_timer(store.loop(), this)),
      before_poll_(make_handle<uv_prepare_t>(
          this, [&store](uv_prepare_t* handle) { return uv_prepare_init(store.loop(), handle); })) {
  uv_unref(as_handle(before_poll_.get()));
}

std::optional<JobId> JobTable::submit(ConnectionId client, JobRequest request, JobListener* listener) {
  const std::size_t free_slots = limits_.max_running - std::min(limits_.max_running, running());
  if (queued() >= limits_.max_queued + free_slots) return std::nullopt;
  return enqueue(client, std::move(request), listener);
}

JobId JobTable::enqueue(ConnectionId client, JobRequest request, JobListener* listener) {
  const JobId id = ++last_id_;
  JobSink& sink = *this;
  request.terms.max_output_bytes = limits_.max_output_bytes;
  auto job = std::make_unique<Job>(id, client, Job::Shared{store_, processes_, sink, cgroups_}, request.terms,
                                   listener);
  jobs_.emplace(id, Entry{std::move(job), std::move(request), by_client_.emplace(client, id).first});
  queue_of(client).push(client, id);
  dispatch_.arm();
  return id;
}

Job* JobTable::find(JobId id) {
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? nullptr : found->second.job.get();
}

void JobTable::start(JobId id) {
  Entry& entry = jobs_.at(id);
  JobRequest request = std::move(entry.request);
  const JobWishes wishes{!request.argv.empty(), !request.cwd.empty()};
  if (wishes.has_cwd && request.cwd.front() != '/') request.cwd.insert(0, spec_.cwd + '/');
  spec_.command = std::move(request.command);
  spec_.argv = std::move(request.argv);
  spec_.environment = std::move(request.environment);
  spec_.clear_environment = request.clear_environment;
  spec_.mark = std::move(request.terms.mark);
  spec_.takes_stdin = request.takes_stdin;
  spec_.limits = request.limits;
  spec_.terminal.reset();
  if (request.pty) {
    if (const auto& changed = entry.job->size()) request.pty->size = *changed;  // while it waited
    give_terminal(*request.pty);
  }
  if (wishes.has_cwd) spec_.cwd.swap(request.cwd);
  young_.enter(id);
  if (entry.job->streams())
    ++streams_;
  else
    hold_output_of(*entry.job);
  choose_time_slice();
  spec_.cgroup = entry.job->make_cgroup();
  entry.job->start(spawner_, spec_, wishes);
  if (wishes.has_cwd) spec_.cwd.swap(request.cwd);
  // Not by `= {}`, which keeps their room: much of it would stay until the next start.
  std::string().swap(spec_.command);
  spec_.argv = std::vector<std::string>();
  spec_.environment = std::vector<std::string>();
}

// A TERM of the client's own stands behind ours, and holds.
void JobTable::give_terminal(const PtyWish& wish) {
  spec_.terminal = wish.size;
  spec_.environment.insert(spec_.environment.begin(), "TERM=" + (wish.term.empty() ? "dumb" : wish.term));
}

// A command that is alone has the loop to itself, and much output would wait for nothing.
void JobTable::hold_output_of(Job& job) {
  watch_older_ones();
  const bool is_alone = queue_.empty() && youngest_.empty();
  youngest_.push_back({job.id(), uv_now(store_.loop()) + kHoldMs});
  if (is_alone) return;
  job.hold_output();
  if (uv_is_active(as_handle(watch_timer_.get())) == 0)
    uv_timer_start(watch_timer_.get(), deliver<&JobTable::watch_older_ones>, kHoldMs, 0);
}

void JobTable::watch_older_ones() {
  const std::uint64_t now = uv_now(store_.loop());
  for (; !youngest_.empty(); youngest_.pop_front()) {
    Job* job = find(youngest_.front().id);
    if (job != nullptr && youngest_.front().due_ms > now) break;
    if (job != nullptr) job->watch_output();
  }
  if (!youngest_.empty())
    uv_timer_start(watch_timer_.get(), deliver<&JobTable::watch_older_ones>, youngest_.front().due_ms - now,
                   0);
}

void JobTable::start_waiting() {
  while (!queue_.empty() && running() < limits_.max_running && young_.has_room()) start(queue_.pop().second);
  if (queue_.empty() || young_.has_room()) return;
  young_.await_room();
  uv_prepare_start(before_poll_.get(), deliver<&JobTable::give_way>);
}

// The commands that run need the processor more than we do: what they do meanwhile we see in one turn, and they need
// not wake us for it. With nobody else to run this returns at once.
void JobTable::give_way() {
  if (queue_.empty())
    uv_prepare_stop(before_poll_.get());
  else
    sched_yield();
}

// Who reads what a command writes meanwhile wants it soon. A whole reply comes when the command has ended, and nothing
// is gained by interrupting it before; nor by a longer slice, where others wait for a processor. A change costs as much
// as some wake-ups: it is made for a start that wants another than the last one, and a few commands side by side want
// none.
void JobTable::choose_time_slice() {
  if (streams_ > 0)
    time_slice_.ask_for(TimeSlice::Length::brief);
  else if (!queue_.empty())
    time_slice_.ask_for(TimeSlice::Length::usual);
  else if (running() == 1)
    time_slice_.ask_for(TimeSlice::Length::ample);
}

void JobTable::cancel(JobId id) {
  Job* job = find(id);
  if (job == nullptr) return;
  if (job->state() != JobState::waiting) return job->end(Reason::cancelled, kKillGraceMs);
  const ConnectionId client = job->client();
  queue_of(client).remove(client, id);
  forget(id);
  JobResult refused;
  refused.header.error =
      error_reply(error_name::kCancelled, "the command was cancelled before its turn came");
  clients_.command_finished(client, id, std::move(refused));
  if (is_idle()) clients_.jobs_are_idle();
}

void JobTable::abandon(ConnectionId client) {
  queue_of(client).remove(client);
  std::vector<JobId> ids;
  for (auto at = by_client_.lower_bound({client, 0}); at != by_client_.end() && at->first == client; ++at)
    ids.push_back(at->second);
  for (JobId id : ids) {
    Job& job = *jobs_.at(id).job;
    job.forget_listener();
    if (job.state() == JobState::waiting)
      forget(id);
    else
      job.end(Reason::client_gone, kKillGraceMs);
  }
  if (is_idle()) clients_.jobs_are_idle();
}

void JobTable::end_all(Reason reason, unsigned grace_ms) {
  for (auto& [id, entry] : jobs_)
    if (entry.job->state() != JobState::waiting) entry.job->end(reason, grace_ms);
  for (auto& [id, job] : leftovers_)
    if (job->has_kill_due()) job->end(reason, grace_ms);
}

void JobTable::drop_queued(const ErrorReply& why) {
  while (!queue_.empty()) {
    JobResult refused;
    refused.header.error = why;
    const auto [client, id] = queue_.pop();
    forget(id);
    clients_.command_finished(client, id, std::move(refused));
  }
}

FairQueue<ConnectionId, JobId>& JobTable::queue_of(ConnectionId client) {
  return held_from_ && client >= *held_from_ ? held_back_ : queue_;
}

void JobTable::hold_back(ConnectionId bound) {
  if (std::exchange(held_from_, bound) != bound) share_out(queue_);
}

void JobTable::let_go() {
  held_from_.reset();
  share_out(held_back_);
  dispatch_.arm();
}

// Each to the queue that its client's are in, in the order in which they would have been started.
void JobTable::share_out(FairQueue<ConnectionId, JobId>& queue) {
  for (auto all = std::exchange(queue, {}); !all.empty();) {
    const auto [client, id] = all.pop();
    queue_of(client).push(client, id);
  }
}

JobId JobTable::take_over(ConnectionId client, JobTerms terms, RunningJob running, JobListener* listener) {
  const JobId id = ++last_id_;
  JobSink& sink = *this;
  JobRequest spent;
  auto job = std::make_unique<Job>(id, client, Job::Shared{store_, processes_, sink, cgroups_},
                                   std::move(terms), listener);
  Job& taken = *job;
  jobs_.emplace(id, Entry{std::move(job), std::move(spent), by_client_.emplace(client, id).first});
  if (taken.streams()) ++streams_;
  choose_time_slice();
  taken.take_over(spawner_, std::move(running));
  return id;
}

JobId JobTable::take_over(ConnectionId client, JobRequest request, const SaidAhead& said,
                          JobListener* listener) {
  const JobId id = enqueue(client, std::move(request), listener);
  find(id)->hear(said);
  return id;
}

const JobRequest* JobTable::waiting_request(JobId id) const {
  const auto found = jobs_.find(id);
  const bool waits = found != jobs_.end() && found->second.job->state() == JobState::waiting;
  return waits ? &found->second.request : nullptr;
}

std::vector<RunningJob> JobTable::leftovers() const {
  std::vector<RunningJob> all;
  for (const auto& [id, job] : leftovers_)
    if (job->holds_pipe()) all.push_back(job->running());
  return all;
}

bool JobTable::has_jobs_below(ConnectionId bound) const {
  return !by_client_.empty() && by_client_.begin()->first < bound;
}

void JobTable::end_all_below(ConnectionId bound, Reason reason, unsigned grace_ms) {
  std::vector<JobId> ids;
  for (auto at = by_client_.begin(); at != by_client_.end() && at->first < bound; ++at)
    ids.push_back(at->second);
  for (const JobId id : ids) {
    Job* job = find(id);
    if (job != nullptr && job->state() != JobState::waiting) job->end(reason, grace_ms);
  }
}

bool JobTable::has_kill_due() const {
  return std::any_of(leftovers_.begin(), leftovers_.end(),
                     [](const auto& entry) { return entry.second->has_kill_due(); });
}

bool JobTable::is_idle() const { return jobs_.empty() && !has_kill_due(); }

// It was never started.
void JobTable::forget(JobId id) {
  auto node = jobs_.extract(id);
  by_client_.erase(node.mapped().of_client);
}

void JobTable::job_finished(JobId id) {
  young_.leave(id);
  auto node = jobs_.extract(id);
  Job& job = *node.mapped().job;
  if (job.streams()) --streams_;
  leftovers_.emplace(id, std::move(node.mapped().job));
  by_client_.erase(node.mapped().of_client);
  const ConnectionId client = job.client();
  clients_.command_finished(client, id, job.take_result());
  bound_leftovers();
  if (!queue_.empty()) dispatch_.arm();
}

void JobTable::bound_leftovers() {
  if (leftovers_.size() <= limits_.max_leftovers) return;
  // Without those that only wait for a kill that is due, and the last one, which is most likely over in a moment.
  const auto holds_pipe = [](const auto& entry) { return entry.second->holds_pipe(); };
  const auto held = std::count_if(leftovers_.begin(), leftovers_.end(), holds_pipe);
  if (static_cast<std::size_t>(held) <= limits_.max_leftovers) return;
  const auto oldest = std::find_if(leftovers_.begin(), leftovers_.end(), holds_pipe);
  log::warn("leftover-dropped").add("job", static_cast<std::int64_t>(oldest->first));
  oldest->second->drop_leftover();
}

void JobTable::job_over(JobId id) {
  auto node = leftovers_.extract(id);
  retired_.add(std::move(node.mapped()));
  if (is_idle()) clients_.jobs_are_idle();
}

}  // namespace runwire
