// A child between clone(2) and exec, where it runs in the daemon's memory and beside the daemon's loop.
//
// fork() copies the page tables, so its cost grows with the daemon's memory. vfork() lends the memory instead, but
// stops who calls it until the exec. Nothing makes that stop necessary where the child has a stack of its own and what
// it reads stays: the kernel tells when it has left (set_tid_address(2), CLONE_CHILD_CLEARTID). Linux only.
#pragma once

#ifdef __linux__

#include <sys/resource.h>
#include <sys/types.h>

#include <array>
#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "server/child_settings.hpp"
#include "server/descriptor.hpp"
#include "server/direct_call.hpp"
#include "server/script.hpp"
#include "server/spawn_environment.hpp"

namespace runwire {

// What the child is told, and what it leaves behind where it fails.
struct ChildStart {
  char* const* direct_paths;  // to be tried first, with these words; ends with null
  char* const* direct_argv;
  char* const* direct_envp;
  char** argv;
  char* const* envp;
  const char* cwd;
  int stdio[3];
  int script_fd;                // -1: none
  const int* signals_to_reset;  // ends with 0
  rlimit nofile;
  ChildSettings settings;
  bool leads_session = true;  // else a process group only
  pid_t daemon;
  int cgroup = -1;  // where a 0 is to be written; -1: nowhere
  int share_below =
      0;  // 0: the child has a table of descriptors of its own; else it leaves the daemon's, and takes
          // the entries below this number with it
  // There is no shell behind the direct paths: one of them runs, or where exec says ENOEXEC `argv`, with that path in
  // the place of its second word.
  bool is_program = false;
  bool by_path = false;  // what is not in the one place may be in the next
  const char* failed_stage = nullptr;
  int failed_errno = 0;
};

// What this system lets a child do on its way; asked by making one that fails.
struct BirthAbilities {
  bool clone;        // at all: some C libraries and emulators refuse it
  bool leave_table;  // of descriptors that it shares: some sandboxes refuse that
};
BirthAbilities birth_abilities();

// The room that one child is born in. It may be used for the next one, or die, when the child has left.
class Birth {
 public:
  Birth() = default;
  Birth(const Birth&) = delete;
  Birth& operator=(const Birth&) = delete;
  ~Birth();  // REQUIRES: is_over()

  // Returns the pid, or a negative errno. REQUIRES: is_over(), and what `start` points to stays until it is over again.
  pid_t clone_child();

  // The child runs a program of its own, or has ended.
  bool is_over() const { return occupant_.load(std::memory_order_acquire) == 0; }

  // Waits for it, so long; returns is_over(). A child can be held up without an end by a disk that does not answer.
  bool wait_until_over(std::chrono::milliseconds patience) const;

  // Keeps little for the next one.
  bool is_light() const { return environment.words.size() <= 1 && direct.words.size() < 64; }

  ChildStart start{};
  // What `start` points into.
  ShellCall call;
  DirectCall direct;
  EnvironmentRoom environment, direct_environment;
  std::vector<char*> argv, direct_paths, direct_argv;
  Descriptor script;
  std::string cwd;

 private:
  static constexpr std::size_t kStackBytes = 16 * 1024;  // a few frames of system calls

  std::atomic<pid_t> occupant_ = 0;  // the kernel puts 0 here
  alignas(16) std::array<char, kStackBytes> stack_{};
};

}  // namespace runwire

#endif
