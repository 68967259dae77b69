// Starting a command: the seam between jobs and the operating system.
//
// Every spawner gives a child the same start: /dev/null as stdin, real pipes as stdout and stderr, nothing else
// open, default signals, a session and process group of its own, the daemon's environment and umask.
#pragma once

#include <uv.h>

#include <memory>
#include <string>

#include "proto/exit_status.hpp"
#include "proto/message.hpp"
#include "server/direct_call.hpp"

namespace runwire {

struct SpawnSpec {
  std::string shell;    // run as `SHELL -c COMMAND`
  std::string command;  // bytes without NUL
  std::string cwd;
  std::string script_dir;  // for commands too long to be an argument
  const DirectCalls* direct_calls =
      nullptr;  // where given, a spawner may run what it plans without the shell
};

struct SpawnFailure {
  std::string stage;      // "cwd", "script", "pipe", "fork", "exec"
  int error;              // a libuv error, negative
  std::string path = {};  // what it was about: the directory, the shell; empty where it was about neither
  // The machine is short of something now and may not be later.
  bool is_transient() const;
};

// What happens to a child: child_started(), then child_exited() or child_failed(); or child_failed() alone. The
// receiver must outlive the Child.
class ChildEvents {
 public:
  virtual ~ChildEvents() = default;
  // There is a process, which may still fail to become the command. The read ends of its output, non-blocking; the
  // receiver owns them.
  virtual void child_started(pid_t pid, int stdout_fd, int stderr_fd) = 0;
  // The command never ran. Where there was a process it has been reaped.
  virtual void child_failed(const SpawnFailure& failure) = 0;
  // It has been reaped: its pid is dead from here on.
  virtual void child_exited(ExitStatus status, const Usage& usage) = 0;
};

// One started child. Destroying it while it lives kills its process group and reaps it in the background.
class Child {
 public:
  virtual ~Child() = default;
};

class Spawner {
 public:
  virtual ~Spawner() = default;
  // Its first event comes perhaps before spawn() returns. Null where it has failed by then.
  virtual std::unique_ptr<Child> spawn(const SpawnSpec& spec, ChildEvents& events) = 0;
};

// The portable spawner, over uv_spawn(). It cannot tell a child's usage: libuv reaps without asking for it.
std::unique_ptr<Spawner> make_uv_spawner(uv_loop_t* loop);

// Linux only, and where clone(2) does what it needs; else null. Starts children without copying the daemon and without waiting for them, and tells their
// usage. It reaps every child of the process, so it cannot stand beside another spawner, and it takes SIGCHLD from a
// descriptor: every thread that exists already must have that signal blocked. It must outlive the Childs it has given
// out, and the loop must run on until uv_run() returns 0 before it dies.
std::unique_ptr<Spawner> make_native_spawner(uv_loop_t* loop);

}  // namespace runwire
