#include "server/kept_jobs.hpp"

#include <algorithm>
#include <utility>

#include "server/log.hpp"
#include "server/session_commands.hpp"

namespace runwire {

std::shared_ptr<KeptJob> KeptJobs::start(ConnectionId client, KeptJob::Order order, JobRequest request,
                                         MemoryLease request_memory) {
  if (by_age_.size() >= limits_.max_kept) return nullptr;
  auto job =
      start_unkept(client | kFirstOwner, std::move(order), std::move(request), std::move(request_memory));
  if (!job) return nullptr;
  const std::uint64_t age = ++last_age_;
  by_id_.emplace(job->order().id, age);
  unfinished_.emplace(job->job(), age);
  by_age_.emplace(age, Entry{job});
  return job;
}

std::shared_ptr<KeptJob> KeptJobs::start_unkept(ConnectionId client, KeptJob::Order order, JobRequest request,
                                                MemoryLease request_memory) {
  HandedJob beginning = KeptJob::beginning(ground_, order);
  auto job = std::make_shared<KeptJob>(ground_, std::move(order), std::move(beginning));
  return job->submit(client, std::move(request), std::move(request_memory)) ? job : nullptr;
}

void KeptJobs::command_finished(JobId id, JobResult result) {
  const auto found = unfinished_.find(id);
  if (found == unfinished_.end()) return;
  const std::uint64_t age = found->second;
  unfinished_.erase(found);
  const auto job = by_age_.at(age).job;
  job->finish(std::move(result));
  log::debug("kept").add("job", static_cast<std::int64_t>(id)).add("id", job->order().id);
  const auto* error = std::get_if<ErrorReply>(&job->outcome());
  if (error == nullptr) return retain(age);
  // It never ran: that may be tried again, unless it was not to run.
  if (error->error == error_name::kCancelled) remember(job->order().id);
  remove(age);
}

void KeptJobs::retain(std::uint64_t age) {
  Entry& entry = by_age_.at(age);
  const std::uint64_t keep_ms = std::min(*entry.job->order().keep_ms, limits_.max_keep_ms);
  if (keep_ms == 0) return forget(*entry.job);
  entry.due_ms = uv_now(ground_.store.loop()) + keep_ms;
  by_due_.emplace(entry.due_ms, age);
  await_expiry();
}

bool KeptJobs::can_move() const {
  return std::all_of(by_age_.begin(), by_age_.end(),
                     [](const auto& entry) { return entry.second.job->can_move(); });
}

void KeptJobs::hand_over(Handover& handover) const {
  handover.last_made_id = last_made_id_;
  handover.gone.assign(gone_in_order_.begin(), gone_in_order_.end());
  for (const auto& [age, entry] : by_age_) {
    handover.jobs.push_back(entry.job->handed());
    handover.jobs.back().owner &= ~kFirstOwner;
    handover.jobs.back().expires_ms = entry.due_ms;
  }
}

void KeptJobs::take_over(Handover& handover) {
  last_made_id_ = handover.last_made_id;
  gone_in_order_.assign(handover.gone.begin(), handover.gone.end());
  gone_.insert(handover.gone.begin(), handover.gone.end());
  for (HandedJob& handed : handover.jobs) take_over(std::move(handed));
  await_expiry();
}

void KeptJobs::take_over(HandedJob handed) {
  const Start& start = handed.start;
  KeptJob::Order order{
      start.id,          {handed.request_digest[0], handed.request_digest[1], handed.request_size},
      handed.command,    handed.who,
      start.full,        start.keep_ms,
      start.takes_stdin, start.pty.has_value()};
  JobRequest request = request_for(start, std::move(handed.words));
  request.terms.mark = handed.mark;
  auto running = handed.running;
  const SaidAhead said = std::move(handed.said);
  const std::uint64_t due_ms = handed.expires_ms;
  const std::uint64_t age = ++last_age_;
  // As a client of the queue it stays whoever it was.
  const ConnectionId owner = kFirstOwner | (handed.owner != 0 ? handed.owner : age);
  auto job = std::make_shared<KeptJob>(ground_, std::move(order), std::move(handed));
  by_id_.emplace(job->order().id, age);
  by_age_.emplace(age, Entry{job, due_ms});
  if (job->is_finished()) {
    by_due_.emplace(due_ms, age);
    return;
  }
  if (running)
    job->go_on(owner, std::move(request.terms), std::move(*running));
  else
    job->go_on(owner, std::move(request), said);
  unfinished_.emplace(job->job(), age);
}

std::shared_ptr<KeptJob> KeptJobs::find(const std::string& id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : by_age_.at(found->second).job;
}

std::string KeptJobs::make_id() {
  std::string id;
  do id = std::to_string(++last_made_id_).insert(0, 1, 'k');
  while (by_id_.contains(id) || is_gone(id));
  return id;
}

void KeptJobs::forget(const KeptJob& job) {
  remember(job.order().id);
  remove(by_id_.at(job.order().id));
}

void KeptJobs::remove(std::uint64_t age) {
  const auto found = by_age_.find(age);
  by_due_.erase({found->second.due_ms, age});
  by_id_.erase(found->second.job->order().id);
  by_age_.erase(found);
  await_expiry();
}

void KeptJobs::remember(std::string_view id) {
  gone_in_order_.push_back(digest(id, 0));
  gone_.insert(gone_in_order_.back());
  if (gone_in_order_.size() <= limits_.max_gone) return;
  gone_.erase(gone_in_order_.front());
  gone_in_order_.pop_front();
}

void KeptJobs::await_expiry() {
  if (by_due_.empty()) {
    uv_timer_stop(expiry_.get());
    return;
  }
  const std::uint64_t now = uv_now(ground_.store.loop());
  uv_timer_start(expiry_.get(), deliver<&KeptJobs::on_expiry>,
                 by_due_.begin()->first - std::min(now, by_due_.begin()->first), 0);
}

void KeptJobs::on_expiry() {
  const std::uint64_t now = uv_now(ground_.store.loop());
  while (!by_due_.empty() && by_due_.begin()->first <= now) forget(*by_age_.at(by_due_.begin()->second).job);
}

std::pair<std::uint64_t, const KeptJob*> KeptJobs::next_after(std::uint64_t age) const {
  const auto next = by_age_.upper_bound(age);
  if (next == by_age_.end()) return {age, nullptr};
  return {next->first, next->second.job.get()};
}

JobInfo KeptJobs::info(std::uint64_t age) const {
  const Entry& entry = by_age_.at(age);
  JobInfo info = entry.job->info();
  const std::uint64_t now = uv_now(ground_.store.loop());
  if (entry.due_ms > 0) info.expires_ms = entry.due_ms - std::min(now, entry.due_ms);
  return info;
}

}  // namespace runwire
