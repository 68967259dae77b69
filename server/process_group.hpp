// A command's process group. Every command leads a session and a group of its own, so that one signal reaches
// all of it but what has called setsid().
#pragma once

#include <sys/types.h>

namespace runwire {

class ProcessGroup {
 public:
  ProcessGroup() = default;
  explicit ProcessGroup(pid_t leader) : leader_(leader) {}

  pid_t leader() const { return leader_; }
  void leader_was_reaped() { reaped_ = true; }
  bool leader_is_reaped() const { return reaped_; }

  // Sends `signal` to every member. Once the leader is reaped its number may be given to a stranger, so then
  // it is sent only while no process has that number: a number that still names a group is not given away as a
  // process's (Linux keeps it in use; POSIX XBD 4.14 forbids it), so what answers to it is still ours. A leader that
  // has not yet made its group gets the signal alone.
  void signal(int signal) const;

  bool is_empty() const;

 private:
  bool is_ours() const;

  pid_t leader_ = 0;  // 0: there is no group
  bool reaped_ = false;
};

}  // namespace runwire
