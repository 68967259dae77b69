// The processes of this machine as one walk through /proc has seen them, for those who look for a command's among them.
//
// A walk costs some microseconds for each process, so everybody who asks at about the same time shares one: see
// look(). Linux only; elsewhere, and where there is no /proc, nobody tells and is_known() is false.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runwire {

// The variable that names the command which a process belongs to. Whatever does not clear its environment hands it on
// to its children, which no daemon takes the trouble to do.
inline constexpr std::string_view kMarkName = "RUNWIRE_JOB";

struct Process {
  pid_t pid;
  pid_t parent;
  pid_t group;
  pid_t session;
  std::uint64_t started;  // ticks since boot: with the pid, this process and no other
  bool is_alive;          // else a zombie
  bool is_kernels;        // a thread of the kernel's
};

class ProcessTable {
 public:
  // What is known afterwards was seen no earlier than `since` (uv_hrtime()) and is not older than kShareNs, or than
  // four times what it took to see it: so no crowd of commands to be ended costs more than a fifth of the time.
  void look(std::uint64_t since);

  bool is_known() const { return is_known_; }
  std::uint64_t seen_at() const { return seen_at_; }  // when the last look began, by uv_hrtime()
  std::uint64_t looks() const { return looks_; }      // so far
  const std::vector<Process>& all() const { return all_; }
  const Process* find(pid_t pid) const;
  std::optional<std::size_t> place_of(pid_t pid) const;  // in all()
  // Places in all().
  std::vector<std::size_t> children_of(pid_t pid) const;
  std::vector<std::size_t> led_by(pid_t pid) const;  // it, its group and its session; perhaps more than once

  // Those that have this word NAME=VALUE by kMarkName in their environment as it was at their exec. It is read when
  // somebody asks, so it may already be another process's; and once for each process, because who is marked once
  // belongs to the command also where it has a new environment since. Strangers are not asked, where it is known who
  // they are.
  std::vector<std::size_t> marked(std::string_view mark);

  // Somebody can't tell: between two programs, in the middle of an exec, a process has no environment. A later look
  // will tell. REQUIRES: marked() was called since the last look.
  bool has_undecided() const { return has_undecided_; }

  // Asks again: this very process has not ended.
  static bool still_lives(const Process& process);

 private:
  // `between_programs` and `unreadable` are asked again after the next look.
  enum class Knowledge { none, between_programs, unreadable, lasting };
  struct Mark {
    Knowledge known = Knowledge::none;
    std::string word = {};
  };

  using Index = std::vector<std::pair<pid_t, std::size_t>>;

  void walk();
  void sort();
  void ask_marks();
  void keep_marks(const std::vector<Process>& before, std::vector<Mark> marks);
  static Mark read_mark(pid_t pid);

  bool is_known_ = false;
  std::uint64_t seen_at_ = 0;
  std::uint64_t looks_ = 0;
  std::uint64_t cost_ = 0;    // in nanoseconds, of the walk and of the environments
  std::vector<Process> all_;  // by pid
  std::vector<Mark> marks_;   // by the same places
  Index by_parent_, by_leader_;
  bool has_asked_ = false;  // for the marks, since the last look
  std::vector<std::pair<std::string_view, std::size_t>> by_mark_;
  bool has_undecided_ = false;
};

}  // namespace runwire
