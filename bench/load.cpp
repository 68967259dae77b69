#include "bench/load.hpp"

#include <algorithm>
#include <numeric>

#include "bench/plain_lane.hpp"
#include "bench/session_lanes.hpp"

namespace runwire {
namespace {

constexpr Nanoseconds kTick = 50 * kMillisecond;
constexpr Nanoseconds kObservation = 250 * kMillisecond;
constexpr Nanoseconds kRetryPause = kMillisecond;
constexpr std::size_t kConnectsAtOnce = 128;      // more would overflow the queue of many a listener
constexpr std::uint64_t kHopelessFailures = 100;  // in a row, and at least this often for each connection:
constexpr std::uint64_t kHopelessPerConnection = 4;

std::string in_seconds(Nanoseconds span) {
  const std::string text = std::to_string(seconds(span));
  return text.substr(0, text.find('.') + 2) + " s";
}

std::unique_ptr<Lanes> make_lanes(Target& target, const Plan& plan) {
  if (!target.exercise.in_session) return std::make_unique<PlainLanes>(target, plan.connections);
  const std::uint32_t sessions = plan.sessions == 0 ? plan.connections : plan.sessions;
  return std::make_unique<SessionLanes>(target, plan.connections, sessions, plan.idle_sessions);
}

}  // namespace

std::uint64_t Tally::failed() const {
  return std::accumulate(failures.begin(), failures.end(), std::uint64_t{0});
}

std::uint64_t Tally::bytes_through() const {
  return std::accumulate(lane_bytes.begin(), lane_bytes.end(), std::uint64_t{0});
}

double Tally::slowest_share() const {
  if (bytes_through() == 0) return 1;
  const double mean = static_cast<double>(bytes_through()) / static_cast<double>(lane_bytes.size());
  return static_cast<double>(*std::min_element(lane_bytes.begin(), lane_bytes.end())) / mean;
}

Load::Load(Target& target, const Plan& plan)
    : target_(target), plan_(plan), lanes_(make_lanes(target, plan)) {
  for (std::uint32_t token = 0; token < plan_.connections; ++token) free_.push_back(token);
}

Status Load::connect() {
  extent_ = {};
  std::uint32_t next = 0;
  for (;;) {
    const Nanoseconds now = now_ns();
    std::size_t under_way = 0;
    for (std::uint32_t token = 0; token < next; ++token) under_way += (*lanes_)[token].in_flight() ? 1 : 0;
    for (; next < lanes_->size() && under_way < kConnectsAtOnce; ++under_way, ++next)
      handle(next, (*lanes_)[next].connect(now));
    if (next == lanes_->size() && under_way == 0) break;
    turn(now);
    expire_overdue(now_ns());
  }
  for (std::uint32_t token = 0; token < plan_.connections; ++token)
    if ((*lanes_)[token].is_open()) return Ok{};
  return Error{Errc::refused, "no connection could be opened: " + tally_.first_failure};
}

Tally Load::run(const Extent& extent, const Observer& observer) {
  extent_ = extent;
  tally_ = Tally();
  if (target_.exercise.in_session) tally_.lane_bytes.resize(plan_.connections);
  stopped_ = false;
  started_ = failed_in_a_row_ = 0;
  begin_ = last_right_ = free_since_ = now_ns();
  next_tick_ = begin_ + kTick;
  next_observation_ = begin_ + kObservation;
  if (plan_.open_loop) arrivals_.emplace(plan_.open_loop->spacing, plan_.open_loop->per_second, begin_);
  for (Nanoseconds now = begin_;; now = now_ns()) {
    start_due(now);
    if (is_over(now)) return close_run();
    turn(now);
    // After the replies that are there: a bench that was itself held up must not take them for late ones.
    if (const Nanoseconds after = now_ns(); after >= next_tick_) tick(after, observer);
  }
}

// Nothing of this run may reach into the next one.
Tally Load::close_run() {
  for (std::uint32_t token = 0; token < plan_.connections; ++token) {
    take_bytes(token);
    if (!(*lanes_)[token].in_flight()) continue;
    (*lanes_)[token].hang_up();
    free_.push_back(token);
  }
  in_flight_ = 0;
  tally_.elapsed = std::max(asked_span(now_ns()), last_right_ - begin_);
  extent_ = {};
  return std::move(tally_);
}

void Load::take_bytes(std::uint32_t token) {
  if (!tally_.lane_bytes.empty()) tally_.lane_bytes[token] += (*lanes_)[token].take_bytes();
}

Tally Load::wind_up() {
  tally_ = Tally();
  begin_ = last_right_ = now_ns();
  for (std::uint32_t token = 0; token < plan_.connections; ++token) {
    const Step step = (*lanes_)[token].wind_up();
    if (step == Step::connected) continue;
    ++in_flight_;
    handle(token, step);
  }
  while (in_flight_ > 0 && tally_.gave_up.empty()) {
    turn(now_ns());
    expire_overdue(now_ns());
  }
  return close_run();
}

std::uint64_t Load::idle_lost() {
  std::uint64_t lost = 0;
  for (std::uint32_t token = plan_.connections; token < lanes_->size(); ++token)
    lost += (*lanes_)[token].is_open() ? 0 : 1;
  return lost;
}

// How long new commands were started, apart from when replies came.
Nanoseconds Load::asked_span(Nanoseconds now) const {
  if (stopped_ || plan_.endless || !tally_.gave_up.empty()) return now - begin_;
  if (extent_.commands != 0 && started_ >= extent_.commands) return 0;
  return extent_.duration;
}

bool Load::may_start(Nanoseconds now) const {
  if (stopped_ || !tally_.gave_up.empty()) return false;
  if (extent_.commands == 0 && extent_.duration == 0) return false;
  if (extent_.commands != 0 && started_ >= extent_.commands) return false;
  if (extent_.duration == 0) return true;
  return (arrivals_ ? arrivals_->due() : now) < begin_ + extent_.duration;
}

bool Load::is_over(Nanoseconds now) const {
  const bool started_all = !may_start(now);
  return !tally_.gave_up.empty() || (started_all && (in_flight_ == 0 || plan_.endless));
}

void Load::start_due(Nanoseconds now) {
  while (!free_.empty() && may_start(now)) {
    const Nanoseconds due = arrivals_ ? arrivals_->due() : now;
    if (due > now) return;
    if (arrivals_) arrivals_->advance();
    const std::uint32_t token = free_.front();
    free_.pop_front();
    Lane& lane = (*lanes_)[token];
    if (arrivals_ && due < free_since_) ++tally_.waited;
    if (!plan_.new_connections && !plan_.endless && lane.is_closed()) ++tally_.reconnects;
    ++started_;
    ++in_flight_;
    handle(token, lane.start(due, now));
  }
}

void Load::turn(Nanoseconds now) {
  target_.readiness.wait(longest_wait(now), ready_);
  retry_waiting();
  for (const Ready& ready : ready_) {
    told_.clear();
    lanes_->on_ready(ready, told_);
    for (const auto& [token, step] : told_) handle(token, step);
    start_due(now_ns());
  }
}

Nanoseconds Load::longest_wait(Nanoseconds now) const {
  if (!waiting_.empty()) return kRetryPause;
  if (!arrivals_ || free_.empty() || !may_start(now)) return kTick;
  return std::clamp(arrivals_->due() - now, Nanoseconds{0}, kTick);
}

void Load::retry_waiting() {
  std::vector<std::uint32_t> tokens;
  tokens.swap(waiting_);
  for (const std::uint32_t token : tokens)
    if ((*lanes_)[token].is_waiting()) handle(token, (*lanes_)[token].retry());
}

void Load::handle(std::uint32_t token, Step step) {
  Lane& lane = (*lanes_)[token];
  switch (step) {
    case Step::pending:
    case Step::connected:
      return;
    case Step::queue_full:
      waiting_.push_back(token);
      return;
    case Step::lost:
      if (lane.failure() && token < plan_.connections) fail(*lane.failure(), lane.why());
      return;
    case Step::answered:
      return finish(token, now_ns());
  }
}

void Load::finish(std::uint32_t token, Nanoseconds now) {
  --in_flight_;
  take_bytes(token);
  record((*lanes_)[token], now);
  if (plan_.new_connections) (*lanes_)[token].hang_up();
  if (free_.empty()) free_since_ = now;
  free_.push_back(token);
}

void Load::record(const Lane& lane, Nanoseconds now) {
  if (lane.failure()) return fail(*lane.failure(), lane.why());
  ++tally_.right;
  tally_.payload_bytes += target_.expected.size();
  tally_.latency.record(now - lane.due());
  if (const auto first = lane.first_byte()) tally_.first_byte.record(*first - lane.due());
  last_right_ = now;
  failed_in_a_row_ = 0;
}

void Load::fail(Failure failure, const std::string& why) {
  ++tally_.failures[static_cast<std::size_t>(failure)];
  if (tally_.first_failure.empty()) tally_.first_failure = std::string(title_of(failure)) + ": " + why;
  if (failure == Failure::busy) return;  // it is overloaded, not broken
  const std::uint64_t limit = std::max(kHopelessFailures, kHopelessPerConnection * plan_.connections);
  if (++failed_in_a_row_ < limit || !tally_.gave_up.empty()) return;
  tally_.gave_up = std::to_string(limit) +
                   " failures in a row, the last one: " + std::string(title_of(failure)) + ": " + why;
}

void Load::tick(Nanoseconds now, const Observer& observer) {
  next_tick_ = now + kTick;
  expire_overdue(now);
  if (extent_.duration != 0 && now > begin_ + extent_.duration + plan_.timeout) count_unsent(now);
  if (now < next_observation_) return;
  next_observation_ = now + kObservation;
  if (!observer(tally_, now - begin_)) stopped_ = true;
}

void Load::expire_overdue(Nanoseconds now) {
  bool expired = false;
  for (std::uint32_t token = 0; token < lanes_->size(); ++token) {
    Lane& lane = (*lanes_)[token];
    if (!lane.in_flight() || now - lane.heard() < plan_.timeout) continue;
    handle(token, lane.expire());
    expired = true;
  }
  if (!expired || !tally_.gave_up.empty() || now - last_right_ < plan_.timeout) return;
  tally_.gave_up = "no right reply for " + in_seconds(plan_.timeout) +
                   ": the daemon is stuck, or the command takes longer; see --timeout";
}

// The schedule has been over for so long that what is still due will not be sent any more.
void Load::count_unsent(Nanoseconds now) {
  for (; arrivals_ && may_start(now); arrivals_->advance()) {
    ++started_;
    ++tally_.failures[static_cast<std::size_t>(Failure::unsent)];
  }
}

}  // namespace runwire
