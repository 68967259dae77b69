#include "server/job.hpp"

#include <algorithm>
#include <cassert>
#include <csignal>
#include <string>
#include <string_view>
#include <utility>

#include "proto/limits.hpp"
#include "server/log.hpp"
#include "server/pty.hpp"

namespace runwire {
namespace {

constexpr std::string_view kStateNames[] = {"waiting",   "starting", "running",
                                            "lingering", "finished", "over"};

constexpr std::uint64_t kBirthLookMs = 1;
constexpr std::uint64_t kMaxPipeBytes = 1 << 20;  // /proc/sys/fs/pipe-max-size, for those who are not root

std::string_view name_of(JobState state) { return kStateNames[static_cast<std::size_t>(state)]; }

bool is_stop(int signal) {
  return signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU;
}

}  // namespace

Job::Job(JobId id, ConnectionId client, const Shared& shared, JobTerms terms, JobListener* listener)
    : id_(id),
      client_(client),
      store_(shared.store),
      cgroups_(shared.cgroups),
      terms_(std::move(terms)),
      sink_(shared.sink),
      listener_(listener),
      quota_{terms_.max_output_bytes},
      stdout_pipe_(store_, quota_, events_of(kStdout)),
      stderr_pipe_(store_, quota_, events_of(kStderr)),
      input_(store_.loop(), input_events()),
      deadlines_(store_.loop(), terms_, deadline_events()),
      termination_(store_.loop(), tree_, shared.processes,
                   terms_.mark.empty() ? Termination::Reach::group : Termination::Reach::all,
                   [this] { on_termination_over(); }) {}

OutputPipe::Events Job::events_of(Part part) {
  return {[this](std::size_t bytes) { on_output(bytes); }, [this, part] { settle(part); },
          [this] { on_quota_exceeded(); }};
}

InputPipe::Events Job::input_events() {
  return {[this](std::size_t bytes) {
            if (listener_ != nullptr) listener_->input_taken(id_, bytes);
          },
          [this] {
            if (listener_ != nullptr) listener_->input_closed(id_);
          }};
}

Deadlines::Events Job::deadline_events() {
  return {[this](Reason reason) { end(reason, kKillGraceMs); }, [this] { return has_output_waiting(); }};
}

int Job::make_cgroup() {
  if (cgroups_ == nullptr || !terms_.wants_cgroup) return -1;
  cgroup_ = cgroups_->make_group(std::to_string(id_));
  return cgroup_ ? cgroup_->door() : -1;
}

void Job::start(Spawner& spawner, const SpawnSpec& spec, JobWishes wishes) {
  enter(JobState::starting);
  wishes_ = wishes;
  child_ = spawner.spawn(spec, *this);
}

void Job::child_started(pid_t pid, ChildStreams streams) {
  log::debug("started").add("job", static_cast<std::int64_t>(id_)).add("pid", pid);
  tree_ = ProcessTree(ProcessGroup(pid), terms_.mark, std::move(cgroup_));
  started_ms_ = static_cast<double>(uv_hrtime()) / 1e6;
  enter(JobState::running);
  open_streams(streams);
  deadlines_.start();
  termination_.child_started();
  if (!waiting_signals_.empty()) send_signals();
  if (listener_ != nullptr) listener_->job_started(id_, pid);
  for (const StdStream stream : {StdStream::out, StdStream::err})
    if ((early_stops_ & part_of(stream)) != 0) stop_output(stream);
}

void Job::open_streams(const ChildStreams& streams) {
  has_terminal_ = streams.are_terminal();
  if (has_terminal_) stdout_pipe_.expect_terminal();
  open_output(StdStream::out, streams.out);
  open_output(StdStream::err, streams.err);
  if (size_) resize(*size_);  // before the input that waits, which the command may answer at once
  if (streams.in >= 0) input_.open(streams.in, has_terminal_);
}

// A terminal's output has no second stream, and of that there is the end already.
void Job::open_output(StdStream stream, int fd) {
  OutputPipe& pipe = pipe_of(stream);
  if (fd < 0) pending_ &= ~part_of(stream);
  if (terms_.form == ReplyForm::stream) {
    if (fd < 0) return;
    std::uint64_t& handed_on = handed_on_[stream == StdStream::err];
    pipe.open(fd, {[this, stream] {
                     return listener_ == nullptr ? kReadBytes : listener_->output_room(id_, stream);
                   },
                   [this, stream, &handed_on](std::string_view bytes) {
                     handed_on += bytes.size();
                     if (listener_ != nullptr) listener_->job_output(id_, stream, bytes);
                   }});
    return;
  }
  auto& log = stream == StdStream::out ? stdout_log_ : stderr_log_;
  log = std::make_unique<OutputLog>(store_, [this] { on_log_progress(); });
  if (fd < 0) return;
  if (holds_output_)
    pipe.hold(fd, *log);
  else
    pipe.open(fd, *log);
}

void Job::watch_output() {
  stdout_pipe_.watch();
  stderr_pipe_.watch();
}

void Job::child_failed(const SpawnFailure& failure) {
  log::warn("spawn-failed")
      .add("job", static_cast<std::int64_t>(id_))
      .add("stage", failure.stage)
      .add("errno", uv_err_name(failure.error));
  error_ = spawn_error(failure, wishes_);
  tree_.leader_was_reaped();
  stdout_pipe_.close();
  stderr_pipe_.close();
  settle(kExit | kStdout | kStderr);
}

void Job::child_exited(const ChildEnd& end) {
  leader_has_gone(end);
  stdout_pipe_.read_held();
  stderr_pipe_.read_held();
  lingers_since_ms_ = uv_now(store_.loop());
  handed_on_before_exit_ = handed_on_;
  enter_lingering();
  settle(kExit);
  if (state_ == JobState::lingering) linger();
}

void Job::leader_has_gone(const ChildEnd& end) {
  tree_.leader_was_reaped();
  end_ = end;
  input_.close();
  if (terms_.linger != Linger::wait) deadlines_.stop();
}

void Job::enter_lingering() {
  enter(std::max(state_, JobState::lingering));
  if (listener_ != nullptr) listener_->job_exited(id_);
}

void Job::on_output(std::size_t bytes) {
  if (state_ >= JobState::finished) return;  // a leftover's
  deadlines_.output_came();
  on_log_progress();
  if (state_ != JobState::lingering) return;
  read_since_exit_ += bytes;
  linger();
}

// Also called by a log whose file has failed: the command would fill the disk's place with nothing.
void Job::on_log_progress() {
  for (const auto* log : {stdout_log_.get(), stderr_log_.get()}) {
    if (log == nullptr || log->failure().empty() || error_) continue;
    error_ = error_reply(error_name::kSpool, "the output could not be kept: " + log->failure());
    end(Reason::output_limit, kKillGraceMs);
  }
  if (terms_.form == ReplyForm::whole) {
    stdout_pipe_.resume();
    stderr_pipe_.resume();
  }
  settle_if_complete();
}

void Job::on_quota_exceeded() {
  if (std::exchange(truncated_, true)) return;
  end(Reason::output_limit, kKillGraceMs);
}

void Job::signal(int number) {
  std::erase(waiting_signals_,
             number);  // not sent twice, as with any that are pending; and the last one counts
  waiting_signals_.push_back(number);
  if (state_ >= JobState::running) send_signals();
}

bool Job::has_to_wait(int number) const {
  return is_stop(number) && !end_ && (!child_ || !child_->is_born());
}

// Nobody tells when a child is born.
void Job::send_signals() {
  auto next = waiting_signals_.begin();
  for (; next != waiting_signals_.end() && !has_to_wait(*next); ++next) tree_.group().signal(*next);
  waiting_signals_.erase(waiting_signals_.begin(), next);
  if (waiting_signals_.empty()) return signal_timer_.reset();
  if (!signal_timer_) signal_timer_ = make_timer(store_.loop(), this);
  uv_timer_start(signal_timer_.get(), deliver<&Job::send_signals>, kBirthLookMs, 0);
}

void Job::resume_output(StdStream stream) { pipe_of(stream).resume(); }

void Job::stop_output(StdStream stream) {
  if (state_ >= JobState::finished) return;
  if (state_ < JobState::running) {
    early_stops_ |= part_of(stream);
    return;
  }
  pipe_of(stream).close();
  if (has_terminal_ && stream == StdStream::out) input_.close();
  settle(part_of(stream));
}

void Job::hang_up() {
  if (has_terminal_ && state_ < JobState::finished) stop_output(StdStream::out);
}

void Job::resize(PtySize size) {
  size_ = size;
  if (has_terminal_ && stdout_pipe_.is_open()) set_window_size(stdout_pipe_.descriptor(), size);
}

void Job::forget_listener() {
  listener_ = nullptr;
  stdout_pipe_.resume();
  stderr_pipe_.resume();
}

bool Job::has_output_waiting() const {
  const bool paused = stdout_pipe_.is_paused() || stderr_pipe_.is_paused();
  return paused || stdout_pipe_.has_bytes_waiting() || stderr_pipe_.has_bytes_waiting();
}

// Whether bytes of the child's own may be held up in this pipe, by a disk or by a reader.
bool Job::is_stalled(StdStream stream) const {
  const std::size_t index = stream == StdStream::err;
  const bool is_disk = terms_.form == ReplyForm::whole;
  const bool paused = index == 0 ? stdout_pipe_.is_paused() : stderr_pipe_.is_paused();
  return paused && (is_disk || handed_on_[index] - handed_on_before_exit_[index] < kMaxPipeBytes);
}

void Job::linger() {
  switch (terms_.linger) {
    case Linger::wait:
      if (!termination_.is_over()) return;
      break;  // who could be found is gone: who still holds the output can't be ended
    case Linger::now:
      return start_linger_timer(0);
    case Linger::grace:
      break;
  }
  const std::uint64_t since_exit = uv_now(store_.loop()) - lingers_since_ms_;
  const std::uint64_t until_cap = since_exit < kLingerCapMs ? kLingerCapMs - since_exit : 0;
  start_linger_timer(std::min<std::uint64_t>(kLingerQuietMs, until_cap));
}

void Job::start_linger_timer(std::uint64_t ms) {
  if (!linger_timer_) linger_timer_ = make_timer(store_.loop(), this);
  uv_timer_start(linger_timer_.get(), deliver<&Job::on_linger>, ms, 0);
}

// What the child itself wrote must not be lost because the loop was late, a disk or a reader slow: a pipe that is
// paused or holds bytes has not been quiet. Once more than any pipe can hold was read since the exit, only a background
// process's bytes are left.
void Job::on_linger() {
  const bool waiting = stdout_pipe_.has_bytes_waiting() || stderr_pipe_.has_bytes_waiting();
  const bool stalled = is_stalled(StdStream::out) || is_stalled(StdStream::err);
  if (stalled || (waiting && read_since_exit_ < kMaxPipeBytes)) return start_linger_timer(kLingerQuietMs);
  if ((pending_ & (kStdout | kStderr)) != 0) cut_off();
  settle_if_complete();
}

// Of an output that is not at its end: what still comes is thrown away.
void Job::cut_off() {
  cut_ = true;
  stdout_pipe_.discard();
  stderr_pipe_.discard();
  pending_ &= ~(kStdout | kStderr);
}

void Job::settle(unsigned parts) {
  pending_ &= ~parts;
  settle_if_complete();
}

bool Job::output_is_complete() const {
  auto is_still = [](const auto& log) { return !log || !log->failure().empty() || log->is_idle(); };
  return is_still(stdout_log_) && is_still(stderr_log_);
}

void Job::settle_if_complete() {
  if (state_ >= JobState::finished) return leave_if_over();
  if (pending_ != 0 || !output_is_complete()) return;
  linger_timer_.reset();
  // What is said of a command that we ended says whether all of it is gone.
  if (termination_.reaches_all() && termination_.is_under_way()) return termination_.look();
  finish();
}

void Job::on_termination_over() {
  settle_if_complete();
  if (state_ != JobState::lingering || terms_.linger != Linger::wait) return;
  lingers_since_ms_ = uv_now(store_.loop());
  linger();
}

void Job::finish() {
  deadlines_.stop();
  enter(JobState::finished);
  sink_.job_finished(id_);
  leave_if_over();
}

void Job::end(Reason reason, unsigned grace_ms) {
  if (state_ >= JobState::finished && !has_kill_due()) return;
  if (!ending_) ending_ = reason;
  termination_.begin(grace_ms);
  if (reason == Reason::client_gone) hang_up();  // a shell at a terminal does not mind TERM
}

void Job::kill_now(Reason reason) { end(reason, 0); }

// A Job that was ended stays until its group is gone or has been killed, also when its result is long out.
void Job::leave_if_over() {
  if (state_ != JobState::finished) return;
  termination_.look();
  if (state_ != JobState::finished || has_kill_due() || holds_pipe()) return;
  enter(JobState::over);
  sink_.job_over(id_);
}

void Job::drop_leftover() {
  stdout_pipe_.close();
  stderr_pipe_.close();
  leave_if_over();
}

JobResult Job::failed_result() {
  stdout_log_.reset();
  stderr_log_.reset();
  ReplyHeader header;
  header.error = error_;
  return {std::move(header), nullptr, nullptr};
}

JobResult Job::take_result() {
  assert(state_ >= JobState::finished);
  input_.close();
  stdout_pipe_.discard();
  stderr_pipe_.discard();
  if (stdout_log_) stdout_log_->seal();
  if (stderr_log_) stderr_log_->seal();
  if (error_) return failed_result();
  ReplyHeader header;
  header.stdout_bytes = stdout_log_ ? stdout_log_->size() : handed_on_[0];
  header.stderr_bytes = stderr_log_ ? stderr_log_->size() : handed_on_[1];
  header.len = *header.stdout_bytes + *header.stderr_bytes;
  header.status = end_->status;
  header.reason = ending_ ? *ending_ : end_->status.by_signal() ? Reason::signal : Reason::exited;
  header.truncated = truncated_;
  header.cut = cut_;
  header.usage = end_->usage;
  return {std::move(header), std::move(stdout_log_), std::move(stderr_log_), end_->core,
          termination_.survivors()};
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
