// The processes of this machine as one walk through /proc has seen them, for those who look for a command's among them.
//
// A walk costs some microseconds for each process, so everybody who asks at about the same time shares one: see
// look(). Linux only; elsewhere, and where there is no /proc, nobody tells and is_known() is false.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
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
  std::vector<std::size_t> children_of(pid_t pid) const;  // places in all()

  // The word NAME=VALUE by kMarkName in its environment as it was at its exec; empty where there is none, or where we
  // may not read it. Read when it is asked for, so it may already be another process's; and once for each process,
  // because who is marked once belongs to the command also where it has a new environment since.
  // REQUIRES: place < all().size()
  const std::string& mark_of(std::size_t place);

  // Asks again: this very process has not ended.
  static bool still_lives(const Process& process);

 private:
  enum class Knowledge { none, until_next_look, lasting };
  struct Mark {
    Knowledge known = Knowledge::none;
    std::string word = {};
  };

  void walk();
  void sort();
  void keep_marks(const std::vector<Process>& before, std::vector<Mark> marks);

  bool is_known_ = false;
  std::uint64_t seen_at_ = 0;
  std::uint64_t looks_ = 0;
  std::uint64_t cost_ = 0;    // in nanoseconds, of the walk and of the environments
  std::vector<Process> all_;  // by pid
  std::vector<Mark> marks_;   // by the same places
  std::vector<std::pair<pid_t, std::size_t>> by_parent_;
};

}  // namespace runwire
