#include "server/kept_job.hpp"

#include <algorithm>
#include <utility>

#include "server/log.hpp"
#include "server/session_commands.hpp"

namespace runwire {
namespace {

constexpr unsigned kLooksATimeout = 8;  // so often slow followers are looked at in the time they have
constexpr StdStream kOutputs[] = {StdStream::out, StdStream::err};

// What request_for() made of a start, back again.
void add_terms(const JobTerms& terms, Start& start) {
  start.linger = terms.linger;
  start.timeout_ms = terms.timeout_ms;
  start.idle_ms = terms.idle_ms;
}

void add_request(const JobRequest& request, Start& start, StartWords& words) {
  words = {request.command, request.argv, request.environment};
  start.shell = request.argv.empty();
  start.argc = request.argv.size();
  start.envc = request.environment.size();
  start.clear_env = request.clear_environment;
  start.cwd = request.cwd;
  start.limits = request.limits;
  start.pty = request.pty;
  start.len = join_start_payload(words, start.shell).size();
}

std::uint64_t capacity_of(Full full, std::uint64_t spill_bytes) {
  return full == Full::spill ? std::max(spill_bytes, kRecordBytes) : kRecordBytes;
}

}  // namespace

HandedJob KeptJob::beginning(const Ground& ground, const Order& order) {
  HandedJob job;
  job.asked_ms = uv_now(ground.store.loop());
  job.input_allowed = order.takes_stdin ? kStdinWindowBytes : 0;
  job.input_ended = !order.takes_stdin;
  return job;
}

KeptJob::KeptJob(const Ground& ground, Order order, HandedJob handed)
    : ground_(ground),
      order_(std::move(order)),
      since_ms_(handed.asked_ms),
      out_(
          ground.store, ground.arena, order_.full, capacity_of(order_.full, ground.spill_bytes),
          [this] { resume(StdStream::out); }, std::move(handed.output[0])),
      err_(
          ground.store, ground.arena, order_.full, capacity_of(order_.full, ground.spill_bytes),
          [this] { resume(StdStream::err); }, std::move(handed.output[1])),
      input_off_(handed.input_off),
      input_allowed_(handed.input_allowed),
      input_owed_(handed.input_owed),
      input_ended_(handed.input_ended),
      input_ended_by_client_(handed.input_ended_by_client),
      request_memory_(ground.requests),
      input_memory_(ground.inputs) {
  request_memory_.extend(static_cast<std::size_t>(handed.request_memory));  // it had been granted
  pid_ = handed.pid;
  if (handed.exit) outcome_ = std::move(*handed.exit);
  if (handed.error) outcome_ = std::move(*handed.error);
}

bool KeptJob::submit(ConnectionId owner, JobRequest request, MemoryLease request_memory) {
  if (order_.takes_stdin && !input_memory_.extend(kStdinWindowBytes)) return false;
  dress(request);
  const auto job = ground_.jobs.submit(owner, std::move(request), this);
  if (job) {
    job_ = *job;
    request_memory_ = std::move(request_memory);
  }
  return job.has_value();
}

// So that its end reaches all of it.
void KeptJob::dress(JobRequest& request) const {
  request.terms.mark = ground_.jobs.next_mark();
  request.terms.wants_cgroup = true;
}

// Nobody follows it yet, so that all that is owed can be given without a word. It may be as much as the whole window:
// then no more input would come that could make it due.
void KeptJob::go_on(ConnectionId owner, JobTerms terms, RunningJob running) {
  if (order_.takes_stdin) input_memory_.extend(kStdinWindowBytes);  // it had been granted
  input_allowed_ += std::exchange(input_owed_, 0);
  job_ = ground_.jobs.take_over(owner, std::move(terms), std::move(running), this);
}

void KeptJob::go_on(ConnectionId owner, JobRequest request, const SaidAhead& said) {
  if (order_.takes_stdin) input_memory_.extend(kStdinWindowBytes);
  dress(request);
  job_ = ground_.jobs.take_over(owner, std::move(request), said, this);
}

bool KeptJob::can_move() const {
  if (!out_.is_idle() || !err_.is_idle()) return false;
  const Job* job = ground_.jobs.find(job_);
  return is_finished() || job == nullptr || job->state() == JobState::waiting || job->can_move();
}

HandedJob KeptJob::handed() const {
  HandedJob handed;
  handed.start.id = order_.id;
  handed.start.shell = true;
  handed.start.full = order_.full;
  handed.start.keep_ms = order_.keep_ms;
  handed.start.takes_stdin = order_.takes_stdin;
  if (order_.has_terminal) handed.start.pty.emplace();  // how it was made no longer counts
  handed.request_size = order_.fingerprint.bytes;
  handed.request_digest = {order_.fingerprint.one, order_.fingerprint.other};
  handed.command = order_.command;
  handed.who = order_.who;
  handed.asked_ms = since_ms_;
  handed.pid = pid_;
  handed.output = {out_.image(), err_.image()};
  handed.input_off = input_off_;
  handed.input_allowed = input_allowed_;
  handed.input_owed = input_owed_;
  handed.input_ended = input_ended_;
  handed.input_ended_by_client = input_ended_by_client_;
  if (const auto* exit = std::get_if<Exit>(&outcome_)) handed.exit = *exit;
  if (const auto* error = std::get_if<ErrorReply>(&outcome_)) handed.error = *error;
  if (const Job* job = ground_.jobs.find(job_)) hand_over(*job, handed);
  return handed;
}

void KeptJob::hand_over(const Job& job, HandedJob& handed) const {
  handed.owner = job.client();
  handed.request_memory = request_memory_.held();
  add_terms(job.terms(), handed.start);
  handed.mark = job.terms().mark;
  handed.input_owed += job.input().untold();
  const JobRequest* request = ground_.jobs.waiting_request(job_);
  if (request == nullptr) {
    handed.running = job.running();
    return;
  }
  add_request(*request, handed.start, handed.words);
  if (handed.start.pty) handed.start.pty->size = job.size().value_or(handed.start.pty->size);
  handed.said = job.said_ahead();
}

// --- what becomes of it ---

void KeptJob::job_started(JobId, pid_t pid) {
  pid_ = pid;
  request_memory_.give_back(request_memory_.held());
  tell_followers([](JobFollower& follower) { follower.job_started(); });
}

// The rest is bounded, and must not wait for a reader who may never come.
void KeptJob::job_exited(JobId) {
  if (!order_.keep_ms) return;
  out_.widen(kRecordBytes);
  err_.widen(kRecordBytes);
}

std::size_t KeptJob::output_room(JobId, StdStream stream) {
  const std::size_t room = record(stream).room();
  if (room == 0) watch_followers();
  return room;
}

void KeptJob::job_output(JobId, StdStream stream, std::string_view bytes) { record(stream).append(bytes); }

void KeptJob::resume(StdStream stream) {
  if (Job* job = ground_.jobs.find(job_)) job->resume_output(stream);
}

void KeptJob::input_taken(JobId, std::size_t bytes) {
  input_owed_ += bytes;
  if (input_owed_ < kCreditBytes || input_ended_) return;
  const std::uint64_t credit = std::exchange(input_owed_, 0);
  tell_followers([credit](JobFollower& follower) { follower.input_credited(credit); });
  input_allowed_ += credit;
}

void KeptJob::input_closed(JobId) {
  input_ended_ = true;
  tell_followers([](JobFollower& follower) { follower.input_closed(); });
}

void KeptJob::finish(JobResult result) {
  if (result.header.error)
    outcome_ = std::move(*result.header.error);
  else
    outcome_ = exit_of(order_.id, result);
  input_ended_ = true;
  request_memory_.give_back(request_memory_.held());
  input_memory_.give_back(input_memory_.held());
  slow_timer_.reset();
  out_.finish();
  err_.finish();
  tell_followers([](JobFollower& follower) { follower.job_finished(); });
}

// --- who follows it ---

void KeptJob::follow(JobFollower& follower) {
  followers_.push_back({&follower});
  watch_followers();
}

void KeptJob::leave(JobFollower& follower) {
  std::erase_if(followers_, [&follower](const Following& each) { return each.who == &follower; });
  if (followers_.empty()) followers_.shrink_to_fit();
}

// Who is told may leave, and nobody else does meanwhile.
template <class Tell> void KeptJob::tell_followers(Tell tell) {
  const std::vector<Following> all = followers_;
  for (const Following& each : all) tell(*each.who);
}

void KeptJob::watch_followers() {
  if (is_finished() || followers_.size() < 2 || ground_.follower_timeout_ms == 0) return;
  if (!slow_timer_) slow_timer_ = make_timer(ground_.store.loop(), this);
  if (uv_is_active(as_handle(slow_timer_.get())) == 0)
    uv_timer_start(slow_timer_.get(), deliver<&KeptJob::look_at_followers>, 0, 0);
}

void KeptJob::look_at_followers() {
  std::vector<JobFollower*> slow;
  bool is_held_up = false;
  for (Following& each : followers_)
    for (const StdStream stream : kOutputs) {
      if (is_too_slow(each, stream) && (slow.empty() || slow.back() != each.who)) slow.push_back(each.who);
      is_held_up = is_held_up || each.stays[stream == StdStream::err].place.has_value();
    }
  for (JobFollower* follower : slow) {
    leave(*follower);
    follower->was_too_slow();
  }
  if (is_held_up && followers_.size() > 1)
    uv_timer_start(slow_timer_.get(), deliver<&KeptJob::look_at_followers>,
                   std::max(ground_.follower_timeout_ms / kLooksATimeout, 1U), 0);
}

bool KeptJob::is_too_slow(Following& following, StdStream stream) const {
  const RecordCursor* cursor = following.who->cursor(stream);
  Stay& stay = following.stays[stream == StdStream::err];
  const std::uint64_t now = uv_now(ground_.store.loop());
  if (cursor == nullptr || !cursor->holds_up()) {
    stay.place.reset();
    return false;
  }
  if (stay.place != cursor->acknowledged()) stay = {cursor->acknowledged(), now};
  return now - stay.since_ms >= ground_.follower_timeout_ms && is_awaited(*following.who, stream);
}

// Whether somebody else has all there is, and would take more.
bool KeptJob::is_awaited(const JobFollower& holder, StdStream stream) const {
  const std::uint64_t held_at = holder.cursor(stream)->acknowledged();
  return std::any_of(followers_.begin(), followers_.end(), [&, stream](const Following& other) {
    const RecordCursor* cursor = other.who->cursor(stream);
    return other.who != &holder && cursor != nullptr && cursor->is_at_end() &&
           cursor->acknowledged() > held_at;
  });
}

// --- what is said to it ---

std::string KeptJob::objection_to(const StdinBytes& input) const {
  if (!order_.takes_stdin) return "stdin: the command was started without \"stdin\":true";
  if (input.off > input_off_)
    return "stdin: \"off\" is " + std::to_string(input.off) + " where " + std::to_string(input_off_) +
           " comes next";
  const std::uint64_t behind = input.off + input.len;
  if (behind > input_off_ && input_ended_by_client_) return "stdin: it had ended already";
  if (behind < input_off_ && input.eof) return "stdin: more had come already than what is to be all";
  if (behind > input_allowed_) return "stdin: more bytes than credit was given for";
  return {};
}

void KeptJob::take_input(std::uint64_t place, std::string_view bytes) {
  bytes.remove_prefix(static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), input_off_ - place)));
  if (bytes.empty() || input_ended_by_client_) return;
  input_off_ += bytes.size();
  if (Job* job = ground_.jobs.find(job_)) job->input().write(bytes);
}

void KeptJob::end_input(std::uint64_t place) {
  if (place != input_off_ || input_ended_by_client_) return;
  input_ended_ = input_ended_by_client_ = true;
  if (Job* job = ground_.jobs.find(job_)) job->input().end();
}

void KeptJob::signal(int number) {
  if (Job* job = ground_.jobs.find(job_)) job->signal(number);
}

void KeptJob::resize(PtySize size) {
  if (Job* job = ground_.jobs.find(job_)) job->resize(size);
}

void KeptJob::cancel() { ground_.jobs.cancel(job_); }

void KeptJob::stop_output(StdStream stream) {
  if (Job* job = ground_.jobs.find(job_)) job->stop_output(stream);
}

// --- what there is to be known ---

JobPhase KeptJob::phase() const {
  if (is_finished()) return JobPhase::finished;
  return pid_ ? JobPhase::running : JobPhase::waiting;
}

KeptState KeptJob::state() const {
  return {out_.end(),   err_.end(),         input_off_, input_ended_ ? 0 : input_allowed_ - input_off_,
          input_ended_, order_.has_terminal};
}

JobInfo KeptJob::info() const {
  JobInfo info;
  info.id = order_.id;
  info.phase = phase();
  info.pid = pid_;
  info.command = order_.command;
  info.who = order_.who;
  info.age_ms = uv_now(ground_.store.loop()) - since_ms_;
  info.stdout_bytes = out_.end();
  info.stderr_bytes = err_.end();
  info.clients = followers_.size();
  if (const auto* exit = std::get_if<Exit>(&outcome_)) {
    info.status = exit->status;
    info.reason = exit->reason;
  }
  return info;
}

}  // namespace runwire
