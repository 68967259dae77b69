#include "server/process_group.hpp"

#include <cerrno>
#include <csignal>

namespace runwire {

bool ProcessGroup::is_ours() const {
  if (leader_ == 0) return false;
  return !reaped_ || (kill(leader_, 0) != 0 && errno == ESRCH);
}

void ProcessGroup::signal(int number) const {
  if (!is_ours()) return;
  const bool is_delivered = kill(-leader_, number) == 0;
  if (!is_delivered && !reaped_) kill(leader_, number);
}

bool ProcessGroup::is_empty() const { return !is_ours() || (kill(-leader_, 0) != 0 && errno == ESRCH); }

}  // namespace runwire
