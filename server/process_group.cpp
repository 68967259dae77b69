#include "server/process_group.hpp"

#include <uv.h>

#include <cerrno>
#include <csignal>

namespace runwire {
namespace {

bool answers(pid_t target) { return kill(target, 0) == 0 || errno != ESRCH; }

}  // namespace

ProcessGroup ProcessGroup::gone(pid_t leader) {
  ProcessGroup group(leader);
  group.reaped_ = true;
  group.over_since_ = 1;
  return group;
}

void ProcessGroup::leader_was_reaped() {
  reaped_ = true;
  over_since();
}

std::uint64_t ProcessGroup::over_since() const {
  const bool may_be = leader_ != 0 && reaped_ && over_since_ == 0;
  if (may_be && (!answers(-leader_) || answers(leader_))) over_since_ = uv_hrtime();
  return over_since_;
}

void ProcessGroup::number_was_given_away() const {
  if (over_since_ == 0) over_since_ = uv_hrtime();
}

void ProcessGroup::signal(int number) const {
  if (!is_ours()) return;
  const bool is_delivered = kill(-leader_, number) == 0;
  if (!is_delivered && !reaped_) kill(leader_, number);
}

bool ProcessGroup::is_empty() const { return !is_ours() || !answers(-leader_); }

}  // namespace runwire
