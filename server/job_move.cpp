// How a Job goes on in a program that takes this one's place: what it hands over, and how another takes that up.
#include <uv.h>

#include <cassert>
#include <cstdint>
#include <memory>
#include <utility>

#include "server/job.hpp"
#include "server/running_job.hpp"

namespace runwire {

SaidAhead Job::said_ahead() const {
  return {input_.rest(), waiting_signals_, {(early_stops_ & kStdout) != 0, (early_stops_ & kStderr) != 0}};
}

void Job::hear(const SaidAhead& said) {
  assert(state_ == JobState::waiting);
  input_.go_on(said.input);
  waiting_signals_ = said.signals;
  for (const StdStream stream : {StdStream::out, StdStream::err})
    if (said.stops[stream == StdStream::err]) stop_output(stream);
}

bool Job::can_move() const {
  const bool runs = state_ == JobState::running || state_ == JobState::lingering;
  return runs && !error_ && terms_.form == ReplyForm::stream && (!child_ || child_->is_born());
}

RunningJob Job::running() const {
  RunningJob running;
  running.pid = tree_.group().leader();
  running.started_ms = started_ms_;
  running.streams = {input_.descriptor(), stdout_pipe_.descriptor(), stderr_pipe_.descriptor()};
  running.has_terminal = has_terminal_;
  running.cgroup = tree_.cgroup() == nullptr ? "" : tree_.cgroup()->name();
  running.group_is_over = tree_.group().over_since() != 0;
  running.input = input_.rest();
  running.signals = waiting_signals_;
  running.handed_on = handed_on_;
  running.timeout_due_ms = deadlines_.timeout_due_ms();
  running.last_output_ms = deadlines_.last_output_ms();
  running.ending = ending_;
  running.termination = termination_.image();
  running.end = end_;
  running.lingers_since_ms = lingers_since_ms_;
  running.read_since_exit = read_since_exit_;
  running.handed_on_before_exit = handed_on_before_exit_;
  running.cut = cut_;
  return running;
}

void Job::take_over(Spawner& spawner, RunningJob running) {
  enter(JobState::running);
  auto cgroup =
      cgroups_ == nullptr || running.cgroup.empty() ? nullptr : cgroups_->open_group(running.cgroup);
  const ProcessGroup group =
      running.group_is_over ? ProcessGroup::gone(running.pid) : ProcessGroup(running.pid);
  tree_ = ProcessTree(group, terms_.mark, std::move(cgroup));
  started_ms_ = running.started_ms;
  handed_on_ = running.handed_on;
  has_terminal_ = running.has_terminal;
  if (has_terminal_) stdout_pipe_.expect_terminal();
  deadlines_.output_came_at(running.last_output_ms);
  take_over_streams(running);
  if (!running.end) child_ = spawner.adopt(running.pid, running.started_ms, *this);
  ending_ = running.ending;
  if (!ending_) deadlines_.go_on(running.timeout_due_ms);
  if (running.end) leader_has_gone(*running.end);
  waiting_signals_ = std::move(running.signals);
  send_signals();
  termination_.go_on(running.termination);
  if (!running.end) return;
  pending_ &= ~kExit;
  lingers_since_ms_ = running.lingers_since_ms.value_or(uv_now(store_.loop()));
  read_since_exit_ = running.read_since_exit;
  handed_on_before_exit_ = running.handed_on_before_exit;
  if (running.cut) cut_off();
  enter_lingering();
  linger();
}

void Job::take_over_streams(const RunningJob& running) {
  if (running.streams.in >= 0) {
    input_.go_on(running.input);
    input_.open(running.streams.in, has_terminal_);
  } else {
    input_.close();  // what still comes for it is of no use
  }
  if (running.streams.out >= 0) open_output(StdStream::out, running.streams.out);
  if (running.streams.err >= 0) open_output(StdStream::err, running.streams.err);
  pending_ = kExit;
  if (running.streams.out >= 0) pending_ |= kStdout;
  if (running.streams.err >= 0) pending_ |= kStderr;
}

}  // namespace runwire
