// All processes of one command, wherever they went: its group, its session where it leads one, what descends from
// those, and what holds the command's mark in its environment. The mark is what finds a daemon, which has called
// setsid() and whose parent is gone. Where the command has a control group, whoever is in that, too, which nobody
// leaves.
//
// What is not found without a control group, and so not signalled and not counted: a process that has left the session
// (or the group, where the command leads no session), whose parent is gone, and whose mark was never seen: it was
// executed with another environment (`env -i`, sudo), has overwritten its own, or does not let us read it (another
// user's, setuid). Nor one that came to be since the last look, nor is such a one signalled whose mark can't be read at
// the time, because it is in the middle of an exec: who wants a command to be gone signals it until count() says 0.
//
// Where the system does not tell of processes (see process_table.hpp) this is the group alone.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/cgroup.hpp"
#include "server/process_group.hpp"
#include "server/process_table.hpp"

namespace runwire {

class ProcessTree {
 public:
  ProcessTree() = default;
  // `mark` is kMarkName=VALUE, as SpawnSpec has it; empty where the command was given none.
  // The leader is in `cgroup` before it executes anything; null: there is none.
  explicit ProcessTree(ProcessGroup group, std::string mark = {}, std::unique_ptr<Cgroup> cgroup = nullptr)
      : group_(group), mark_(std::move(mark)), cgroup_(std::move(cgroup)) {}

  const ProcessGroup& group() const { return group_; }
  const Cgroup* cgroup() const { return cgroup_.get(); }
  void leader_was_reaped();

  // Those that live. Never this process, nor the first.
  std::vector<pid_t> members(ProcessTable& table) const;

  // To the group and to every other member, once to each; returns how many got it. A member is signalled only if it is
  // still the process that was found, and not another that has got its number.
  std::size_t signal(int number, ProcessTable& table);

  // How many live; zombies do not. 0 where a look after the last signal() and after the last death has found nobody,
  // nor anybody in the middle of an exec who may be one, which counts as 1 where nobody else does; else who came to be
  // since the last look may be missing in the number.
  std::size_t count(ProcessTable& table) const;

 private:
  struct Found {
    std::vector<Process> living;
    bool may_be_more = false;  // some process does not tell at the moment whether it is one
  };
  Found find(ProcessTable& table) const;
  bool owns_number(const ProcessTable& table) const;
  bool is_group_of_strangers(const ProcessTable& table) const;

  ProcessGroup group_;
  std::string mark_;
  std::unique_ptr<Cgroup> cgroup_;
  mutable bool is_given_away_ = false;  // the leader's number; what is stays so
  std::uint64_t reaped_at_ = 0;         // the leader, by uv_hrtime()
  std::uint64_t signalled_at_ = 0;      // uv_hrtime()
};

}  // namespace runwire
