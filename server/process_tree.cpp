#include "server/process_tree.hpp"

#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#ifdef __linux__
#include <sys/syscall.h>
#endif

#include "server/descriptor.hpp"
#include "server/process_family.hpp"

namespace runwire {
namespace {

int open_process(pid_t pid) {
#ifdef SYS_pidfd_open
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
#else
  errno = ENOSYS;
  return -1;
#endif
}

bool send(int process, int number) {
#ifdef SYS_pidfd_send_signal
  return syscall(SYS_pidfd_send_signal, process, number, nullptr, 0) == 0;
#else
  return process < 0 && number < 0;
#endif
}

// A number may be given away between the look and the signal, but not to what a descriptor stands for: so first that,
// then whether it is the one. Without such descriptors (before Linux 5.3, or where there is none left) a moment stays.
bool signal_one(const Process& process, int number) {
  const Descriptor descriptor(open_process(process.pid));
  const bool is_gone = descriptor.get() < 0 && errno == ESRCH;
  if (is_gone || !ProcessTable::still_lives(process)) return false;
  return descriptor.get() < 0 ? kill(process.pid, number) == 0 : send(descriptor.get(), number);
}

std::size_t living_among(const std::vector<Process>& processes) {
  return static_cast<std::size_t>(
      std::count_if(processes.begin(), processes.end(), ProcessTable::still_lives));
}

}  // namespace

void ProcessTree::leader_was_reaped() {
  group_.leader_was_reaped();
  reaped_at_ = uv_hrtime();
}

// A number that still names a group or a session is not given away; where a process is seen that has the number of a
// leader that was reaped before, or a group that has it though ours was over, nothing of ours was left.
bool ProcessTree::owns_number(const ProcessTable& table) const {
  if (group_.leader() == 0 || is_given_away_) return false;
  if (!group_.leader_is_reaped() || table.seen_at() < reaped_at_) return true;
  is_given_away_ = table.find(group_.leader()) != nullptr || is_group_of_strangers(table);
  if (is_given_away_) group_.number_was_given_away();
  return !is_given_away_;
}

bool ProcessTree::is_group_of_strangers(const ProcessTable& table) const {
  const std::uint64_t over_since = group_.over_since();
  if (over_since == 0 || table.seen_at() < over_since) return false;
  const auto led = table.led_by(group_.leader());
  return std::any_of(led.begin(), led.end(),
                     [&](std::size_t place) { return table.all()[place].group == group_.leader(); });
}

ProcessTree::Found ProcessTree::find(ProcessTable& table) const {
  ProcessFamily members(table);
  if (owns_number(table))
    for (const std::size_t place : table.led_by(group_.leader())) members.add(place);
  for (const pid_t pid : cgroup_ ? cgroup_->members() : std::vector<pid_t>())
    if (const auto place = table.place_of(pid)) members.add(*place);
  if (mark_.empty()) return {members.living()};
  for (const std::size_t place : table.marked(mark_)) members.add(place);
  return {members.living(), table.has_undecided()};
}

std::vector<pid_t> ProcessTree::members(ProcessTable& table) const {
  table.look(signalled_at_);
  std::vector<pid_t> pids;
  for (const Process& member : find(table).living) pids.push_back(member.pid);
  return pids;
}

std::size_t ProcessTree::signal(int number, ProcessTable& table) {
  table.look(signalled_at_);
  const bool has_group = !group_.is_empty();
  group_.signal(number);
  if (!table.is_known()) return has_group ? 1 : 0;
  const pid_t leader = owns_number(table) ? group_.leader() : -1;
  const std::vector<Process> members = find(table).living;
  const std::size_t killed = cgroup_ && number == SIGKILL ? cgroup_->kill() : 0;
  const auto signalled = std::count_if(members.begin(), members.end(), [&](const Process& member) {
    return member.pid == leader || member.group == leader || signal_one(member, number);
  });
  const std::size_t reached = std::max(static_cast<std::size_t>(signalled), killed);
  if (has_group || reached > 0) signalled_at_ = uv_hrtime();
  return reached;
}

// Who is known to live needs no other look. Where nobody does, those that died may have left children which the look
// has not seen.
std::size_t ProcessTree::count(ProcessTable& table) const {
  if (const auto pids = cgroup_ ? cgroup_->members() : std::vector<pid_t>(); !pids.empty())
    return pids.size();
  table.look(0);
  if (!table.is_known()) return group_.is_empty() ? 0 : 1;
  Found found = find(table);
  if (const std::size_t living = living_among(found.living); living > 0) return living;
  if (found.living.empty() && !found.may_be_more && table.seen_at() >= signalled_at_) return 0;
  table.look(uv_hrtime());
  found = find(table);
  const bool is_nobody = found.living.empty() && !found.may_be_more;
  return is_nobody ? 0 : std::max<std::size_t>(living_among(found.living), 1);
}

}  // namespace runwire
