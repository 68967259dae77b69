// A command's process group. Every command leads a group of its own, so that one signal reaches all of it but what has
// called setsid() or setpgid().
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace runwire {

class ProcessGroup {
 public:
  ProcessGroup() = default;
  explicit ProcessGroup(pid_t leader) : leader_(leader) {}
  static ProcessGroup gone(pid_t leader);  // nothing was left of it already

  pid_t leader() const { return leader_; }
  void leader_was_reaped();
  bool leader_is_reaped() const { return reaped_; }
  void number_was_given_away() const;  // that of the leader: nothing is left

  // Sends `signal` to every member. Once the leader is reaped its number may be given to a stranger, but not while it
  // names a group (Linux keeps it in use; POSIX XBD 4.14 forbids it): so what answers to it is ours until the group was
  // seen to be empty, or a process to have its number. From then on nobody is. Where its last member went unseen, and
  // all numbers were given away once before anybody asked, and a stranger's group has outlived its own leader, that
  // can't be told. A leader that has not yet made its group gets the signal alone.
  void signal(int signal) const;

  bool is_empty() const;

  // When it was first seen, by whoever asked anything, that nothing of it was left, by uv_hrtime(); 0: not yet.
  std::uint64_t over_since() const;

 private:
  bool is_ours() const { return leader_ != 0 && over_since() == 0; }

  pid_t leader_ = 0;  // 0: there is no group
  bool reaped_ = false;
  mutable std::uint64_t over_since_ = 0;  // what is over stays so
};

}  // namespace runwire
