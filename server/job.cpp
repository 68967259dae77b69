#include "server/job.hpp"

#include <algorithm>
#include <cassert>
#include <csignal>
#include <string_view>
#include <utility>

#include "proto/limits.hpp"
#include "server/log.hpp"

namespace runwire {
namespace {

constexpr std::string_view kStateNames[] = {"starting", "running", "lingering", "finished", "over"};

constexpr std::uint64_t kGroupLookMs = 20;

constexpr std::uint64_t kMaxPipeBytes = 1 << 20;  // /proc/sys/fs/pipe-max-size, for those who are not root

std::string_view name_of(JobState state) { return kStateNames[static_cast<std::size_t>(state)]; }

std::string describe(const SpawnFailure& failure) {
  std::string text = "the command could not be started: " + failure.stage + ": " + failure.path +
                     (failure.path.empty() ? "" : ": ") + uv_strerror(failure.error);
  if (failure.is_transient()) return text + "; try again later, or lower --max-running";
  if (failure.stage == "cwd")
    return text + "; the working directory of runwired is gone, restart it elsewhere";
  if (failure.stage == "script") return text + "; long commands need room in --spill-dir";
  return text + "; see runwired's --shell";
}

ErrorReply reply_to(const SpawnFailure& failure) {
  ErrorReply reply;
  reply.error = failure.is_transient() ? error_name::kBusy : error_name::kSpawn;
  reply.message = describe(failure);
  reply.stage = failure.stage;
  reply.errno_name = uv_err_name(failure.error);
  if (failure.is_transient()) reply.retry_ms = 100;
  return reply;
}

}  // namespace

Job::Job(JobId id, ConnectionId client, OutputStore& store, std::uint64_t max_output_bytes, JobSink& sink)
    : id_(id),
      client_(client),
      store_(store),
      sink_(sink),
      quota_{max_output_bytes},
      stdout_log_(std::make_unique<OutputLog>(store, [this] { on_log_progress(); })),
      stderr_log_(std::make_unique<OutputLog>(store, [this] { on_log_progress(); })),
      stdout_pipe_(store, quota_, events_of(kStdout)),
      stderr_pipe_(store, quota_, events_of(kStderr)) {}

OutputPipe::Events Job::events_of(Part part) {
  return {[this](std::size_t bytes) { on_output(bytes); }, [this, part] { settle(part); },
          [this] { on_quota_exceeded(); }};
}

void Job::start(Spawner& spawner, const SpawnSpec& spec) { child_ = spawner.spawn(spec, *this); }

void Job::child_started(pid_t pid, ChildStreams streams) {
  log::debug("started").add("job", static_cast<std::int64_t>(id_)).add("pid", pid);
  group_ = ProcessGroup(pid);
  enter(JobState::running);
  stdout_pipe_.open(streams.out, *stdout_log_);
  stderr_pipe_.open(streams.err, *stderr_log_);
  if (ending_) group_.signal(kill_timer_ ? SIGTERM : SIGKILL);  // it was told to end before it had begun
}

void Job::child_failed(const SpawnFailure& failure) {
  log::warn("spawn-failed")
      .add("job", static_cast<std::int64_t>(id_))
      .add("stage", failure.stage)
      .add("errno", uv_err_name(failure.error));
  error_ = reply_to(failure);
  group_.leader_was_reaped();
  stdout_pipe_.close();
  stderr_pipe_.close();
  settle(kExit | kStdout | kStderr);
}

void Job::child_exited(const ChildEnd& end) {
  group_.leader_was_reaped();
  status_ = end.status;
  usage_ = end.usage;
  exited_at_ms_ = uv_now(store_.loop());
  enter(std::max(state_, JobState::lingering));
  settle(kExit);
  if (state_ == JobState::lingering) linger();
}

void Job::on_output(std::size_t bytes) {
  if (!stdout_log_) return;  // a leftover's
  on_log_progress();
  if (state_ != JobState::lingering) return;
  read_since_exit_ += bytes;
  linger();
}

// Also called by a log whose file has failed: the command would fill the disk's place with nothing.
void Job::on_log_progress() {
  for (const auto* log : {stdout_log_.get(), stderr_log_.get()}) {
    if (log->failure().empty() || error_) continue;
    error_ = ErrorReply{
        std::string(error_name::kSpool), "the output could not be kept: " + log->failure(), "", "", {}};
    end(Reason::output_limit, kKillGraceMs);
  }
  stdout_pipe_.resume();
  stderr_pipe_.resume();
  settle_if_complete();
}

void Job::on_quota_exceeded() {
  if (std::exchange(truncated_, true)) return;
  end(Reason::output_limit, kKillGraceMs);
}

void Job::linger() {
  const std::uint64_t since_exit = uv_now(store_.loop()) - exited_at_ms_;
  const std::uint64_t until_cap = since_exit < kLingerCapMs ? kLingerCapMs - since_exit : 0;
  start_linger_timer(std::min<std::uint64_t>(kLingerQuietMs, until_cap));
}

void Job::start_linger_timer(std::uint64_t ms) {
  if (!linger_timer_) linger_timer_ = make_timer(store_.loop(), this);
  uv_timer_start(linger_timer_.get(), deliver<&Job::on_linger>, ms, 0);
}

// What the child itself wrote must not be lost because the loop was late or a disk slow: a pipe that is paused
// or holds bytes has not been quiet. Once more than any pipe can hold was read since the exit, only a background
// process's bytes are left.
void Job::on_linger() {
  const bool paused = stdout_pipe_.is_paused() || stderr_pipe_.is_paused();
  const bool waiting = stdout_pipe_.has_bytes_waiting() || stderr_pipe_.has_bytes_waiting();
  if (paused || (waiting && read_since_exit_ < kMaxPipeBytes)) return start_linger_timer(kLingerQuietMs);
  cut_ = true;
  stdout_pipe_.discard();
  stderr_pipe_.discard();
  settle(kStdout | kStderr);
}

void Job::settle(unsigned parts) {
  pending_ &= ~parts;
  settle_if_complete();
}

bool Job::output_is_complete() const {
  auto is_still = [](const OutputLog& log) { return !log.failure().empty() || log.is_idle(); };
  return is_still(*stdout_log_) && is_still(*stderr_log_);
}

void Job::settle_if_complete() {
  if (state_ >= JobState::finished) return leave_if_over();
  if (pending_ == 0 && output_is_complete()) finish();
}

void Job::finish() {
  linger_timer_.reset();
  enter(JobState::finished);
  sink_.job_finished(id_);
  leave_if_over();
}

void Job::end(Reason reason, unsigned grace_ms) {
  if (state_ >= JobState::finished && !kill_timer_) return;
  if (!ending_) {
    ending_ = reason;
    group_.signal(SIGTERM);
  }
  const std::uint64_t due = uv_now(store_.loop()) + grace_ms;
  if (kill_timer_ && kill_due_ms_ <= due) return;  // the earlier one counts
  kill_due_ms_ = due;
  if (!kill_timer_) kill_timer_ = make_timer(store_.loop(), this);
  uv_timer_start(kill_timer_.get(), deliver<&Job::on_kill>, grace_ms, 0);
}

void Job::kill_now(Reason reason) { end(reason, 0); }

void Job::on_kill() {
  if (uv_now(store_.loop()) >= kill_due_ms_) {
    group_.signal(SIGKILL);
    kill_timer_.reset();
  }
  leave_if_over();
}

// A Job that was ended stays until its group is gone or has been killed, also when its result is long out. Nobody
// tells when the last member of a group is gone, so it is looked at now and then.
void Job::leave_if_over() {
  if (state_ != JobState::finished) return;
  if (kill_timer_ && group_.is_empty()) kill_timer_.reset();
  if (kill_timer_) {
    const std::uint64_t left = kill_due_ms_ - std::min(kill_due_ms_, uv_now(store_.loop()));
    uv_timer_start(kill_timer_.get(), deliver<&Job::on_kill>, std::min(kGroupLookMs, left), 0);
  }
  if (kill_timer_ || holds_pipe()) return;
  enter(JobState::over);
  sink_.job_over(id_);
}

void Job::drop_leftover() {
  stdout_pipe_.close();
  stderr_pipe_.close();
  leave_if_over();
}

JobResult Job::failed_result() {
  ReplyHeader header;
  header.error = error_;
  return {std::move(header), nullptr, nullptr};
}

JobResult Job::take_result() {
  assert(state_ >= JobState::finished && stdout_log_);
  stdout_pipe_.discard();
  stderr_pipe_.discard();
  auto out = std::move(stdout_log_);
  auto err = std::move(stderr_log_);
  out->seal();
  err->seal();
  if (error_) return failed_result();
  ReplyHeader header;
  header.stdout_bytes = out->size();
  header.stderr_bytes = err->size();
  header.len = out->size() + err->size();
  header.status = status_;
  header.reason = ending_ ? *ending_ : status_->by_signal() ? Reason::signal : Reason::exited;
  header.truncated = truncated_;
  header.cut = cut_;
  header.usage = usage_;
  return {std::move(header), std::move(out), std::move(err)};
}

void Job::enter(JobState next) {
  if (next == state_) return;
  assert(next > state_);
  log::debug("job")
      .add("job", static_cast<std::int64_t>(id_))
      .add("from", name_of(state_))
      .add("to", name_of(next));
  state_ = next;
}

}  // namespace runwire
