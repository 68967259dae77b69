#include "server/session_followings.hpp"

#include <utility>
#include <vector>

#include "server/kept_jobs.hpp"
#include "server/session_commands.hpp"

namespace runwire {

SessionFollowings::SessionFollowings(SessionGround& ground)
    : ground_(ground),
      events_{[this](FollowedJob& followed, StdStream stream) { wait(followed, stream); },
              [this] { await_news(); }, [this](FollowedJob& followed) { remove(followed); }},
      retired_(ground.context.store.loop()),
      next_turn_(ground.context.store.loop(), [this] { on_next_turn(); }),
      tell_timer_(make_timer(ground.context.store.loop(), this)) {}

// --- which they are ---

FollowedJob* SessionFollowings::find(const std::string& id) {
  const auto found = followed_.find(id);
  return found == followed_.end() ? nullptr : found->second.get();
}

FollowedJob& SessionFollowings::add(std::shared_ptr<KeptJob> job) {
  auto followed = std::make_unique<FollowedJob>(std::move(job), ground_, events_);
  return *followed_.emplace(followed->id(), std::move(followed)).first->second;
}

void SessionFollowings::wait(FollowedJob& followed, StdStream stream) {
  blocked_.emplace_back(&followed, stream);
  if (ground_.output.has_room()) next_turn_.arm();
}

void SessionFollowings::remove(FollowedJob& followed) {
  std::erase_if(blocked_, [&followed](const auto& entry) { return entry.first == &followed; });
  unkept_.erase(followed.job().job());
  ground_.ended.add(followed.id());
  auto node = followed_.extract(followed.id());
  retired_.add(std::move(node.mapped()));
  if (followed_.empty()) next_turn_.arm();
}

void SessionFollowings::start(KeptJob::Order order, const Start& start, StartWords words,
                              MemoryLease request_memory) {
  const std::string id = order.id;
  const bool is_kept = order.keep_ms.has_value();
  JobRequest request = request_for(start, std::move(words));
  KeptJobs& kept = ground_.context.kept;
  auto job = is_kept
                 ? kept.start(ground_.client, std::move(order), std::move(request), std::move(request_memory))
                 : kept.start_unkept(ground_.client, std::move(order), std::move(request),
                                     std::move(request_memory));
  if (!job)
    return ground_.refuse(id, error_reply(error_name::kBusy,
                                          "too many commands are kept, wait or take stdin; try again later, "
                                          "forget some, or raise --max-kept"));
  if (!is_kept) unkept_.emplace(job->job(), job.get());
  add(std::move(job)).follow_new();
}

void SessionFollowings::follow(std::shared_ptr<KeptJob> job, const FollowedJob::Places& places) {
  add(std::move(job)).follow_from(places);
}

ErrorReply SessionFollowings::detach(const std::string& id) {
  FollowedJob& followed = *find(id);
  if (!followed.job().order().keep_ms)
    return error_reply(error_name::kConflict, "detach: the command ends with its session; cancel it instead");
  ground_.output.send(to_json(Detached{id, DetachReason::asked}));
  followed.end();
  return {};
}

void SessionFollowings::finished(JobId id, JobResult result) {
  const auto found = unkept_.find(id);
  if (found == unkept_.end()) return;
  KeptJob* job = found->second;
  unkept_.erase(found);
  job->finish(std::move(result));
}

void SessionFollowings::close() {
  while (!followed_.empty()) followed_.begin()->second->end();
}

void SessionFollowings::on_next_turn() {
  resume_blocked();
  if (followed_.empty()) ground_.on_idle();
}

void SessionFollowings::leave_kept() {
  std::vector<FollowedJob*> kept;
  for (const auto& [id, followed] : followed_)
    if (followed->job().order().keep_ms) kept.push_back(followed.get());
  for (FollowedJob* followed : kept) followed->end();
}

void SessionFollowings::await_news() {
  if (uv_is_active(as_handle(tell_timer_.get())) == 0)
    uv_timer_start(tell_timer_.get(), deliver<&SessionFollowings::tell_news>, kTellMs, 0);
}

void SessionFollowings::tell_news() {
  for (const auto& [id, followed] : followed_) followed->tell_news();
  ground_.output.flush();
}

// --- what is said of them ---

bool SessionFollowings::take(const StdinBytes& input) {
  FollowedJob* followed = find(input.id);
  if (followed != nullptr) followed->take(input);
  return followed != nullptr;
}

bool SessionFollowings::take_input(const StdinBytes& input, std::string_view bytes) {
  FollowedJob* followed = find(input.id);
  if (followed != nullptr) followed->take_input(bytes);
  return followed != nullptr;
}

bool SessionFollowings::end_input(const StdinBytes& input) {
  FollowedJob* followed = find(input.id);
  if (followed != nullptr) followed->end_input(input);
  return followed != nullptr;
}

bool SessionFollowings::take(const Signal& signal) {
  FollowedJob* followed = find(signal.id);
  if (followed != nullptr) followed->job().signal(signal.signal);
  return followed != nullptr;
}

bool SessionFollowings::take(const Resize& resize) {
  FollowedJob* followed = find(resize.id);
  if (followed != nullptr) followed->job().resize(resize.size);
  return followed != nullptr;
}

bool SessionFollowings::take(const Stop& stop) {
  FollowedJob* followed = find(stop.id);
  if (followed != nullptr) followed->take(stop);
  return followed != nullptr;
}

bool SessionFollowings::take(const Credit& credit) {
  FollowedJob* followed = find(credit.id);
  if (followed != nullptr) followed->take(credit);
  return followed != nullptr;
}

bool SessionFollowings::take(const Cancel& cancel) {
  FollowedJob* followed = find(cancel.id);
  if (followed != nullptr) followed->job().cancel();
  return followed != nullptr;
}

// --- whose turn it is ---

// Each has its turn once, for what it sends may fill the connection again.
void SessionFollowings::resume_blocked() {
  for (std::size_t turns = blocked_.size(); turns > 0 && ground_.output.has_room() && !blocked_.empty();
       --turns) {
    const auto [followed, stream] = blocked_.front();
    blocked_.pop_front();
    followed->go_on(stream);
  }
  if (!blocked_.empty() && ground_.output.has_room()) next_turn_.arm();
}

}  // namespace runwire
