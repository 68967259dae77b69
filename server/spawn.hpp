// Starting a command: the seam between jobs and the operating system.
//
// Every spawner gives a child the same start: /dev/null or a real pipe as stdin, real pipes as stdout and stderr, or a
// terminal as all three and as its session's, nothing else open, default signals, a session and process group of its
// own (or only a group, where SpawnSpec says so), the daemon's umask and limits where SpawnSpec asks for no others, and
// its environment with what SpawnSpec adds to it.
#pragma once

#include <uv.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proto/client_message.hpp"
#include "proto/exit_status.hpp"
#include "proto/outcome.hpp"
#include "server/direct_call.hpp"

namespace runwire {

struct SpawnSpec {
  std::string shell;    // run as `SHELL -c COMMAND`
  std::string command;  // bytes without NUL
  std::string cwd;
  std::string script_dir;  // for commands too long to be an argument
  // Where given, a spawner may run what it plans without the shell; with the mark, but not with another environment.
  const DirectCalls* direct_calls = nullptr;
  // Not empty: run as they are, without a shell and in the place of `command`. The program is found as execvp(3)
  // finds it, by the PATH of the environment that it will have, and from `cwd`; what exec calls no program (ENOEXEC) is
  // run as `SHELL PATH ARGUMENTS...`.
  std::vector<std::string> argv = {};
  std::vector<std::string> environment =
      {};                          // NAME=VALUE, each in the place of what the daemon has by that name ...
  bool clear_environment = false;  // ... or of all that the daemon has
  // NAME=VALUE, last in the environment, by which a command's processes are known wherever they went (see
  // server/process_tree.hpp); empty: none.
  std::string mark = {};
  // The door of the control group (server/cgroup.hpp) that it is to be in, open until it has exited; -1: the daemon's.
  // Only the native spawner knows of it.
  int cgroup = -1;
  // False: a process group only, in the daemon's session; but at a terminal it leads one always. REQUIRES:
  // Spawner::can_lead_group(), and a daemon without a controlling terminal, which the child could open.
  bool leads_session = true;
  bool takes_stdin = false;  // a pipe, where it has no terminal; else /dev/null
  std::optional<PtySize> terminal = {};
  CommandLimits limits = {};  // what the client wishes ...
  CommandLimits caps = {};    // ... and the most that it gets; see server/child_settings.hpp
};

struct SpawnFailure {
  std::string stage;  // "cwd", "script", "pipe", "fork", "exec", and the stages of server/child_settings.hpp
  int error;          // a libuv error, negative
  std::string path = {};  // what it was about: the directory, the shell, argv[0]; empty where about none
  // The machine is short of something now and may not be later.
  bool is_transient() const;
};

// The daemon's ends of a child's streams, non-blocking; the receiver owns them.
struct ChildStreams {
  int in = -1;  // -1: its stdin is /dev/null, or a terminal at which nobody types
  int out = -1;
  int err = -1;  // -1: `in` and `out` are of its terminal
  bool are_terminal() const { return err < 0; }
};

// How a child ended.
struct ChildEnd {
  ChildEnd(ExitStatus ended, std::optional<bool> dumped = {}, const Usage& used = {})
      : status(ended), core(dumped), usage(used) {}

  ExitStatus status;
  std::optional<bool> core;  // one was dumped; absent where the spawner cannot know
  Usage usage;
};

// What happens to a child: child_started(), then child_exited() or child_failed(); or child_failed() alone. The
// receiver must outlive the Child.
class ChildEvents {
 public:
  virtual ~ChildEvents() = default;
  // There is a process, which may still fail to become the command.
  virtual void child_started(pid_t pid, ChildStreams streams) = 0;
  // The command never ran. Where there was a process it has been reaped.
  virtual void child_failed(const SpawnFailure& failure) = 0;
  // It has been reaped: its pid is dead from here on.
  virtual void child_exited(const ChildEnd& end) = 0;
};

// One started child. Destroying it while it lives kills its process group and reaps it in the background.
class Child {
 public:
  virtual ~Child() = default;
  // It runs the program that it was started for, or has ended. Before that it may have copies of all of the daemon's
  // descriptors, and whoever stops it then stops whatever waits for one of those to be closed.
  virtual bool is_born() const { return true; }
};

class Spawner {
 public:
  virtual ~Spawner() = default;
  // Its first event comes perhaps before spawn() returns. Null where it has failed by then.
  virtual std::unique_ptr<Child> spawn(const SpawnSpec& spec, ChildEvents& events) = 0;

  // A child of this process that it started before it executed another program in its own place, and has not reaped:
  // of its end is told as of that of any other, in a later turn. `started_ms` by uv_hrtime(). Null where the spawner
  // reaps only what it has started itself.
  virtual std::unique_ptr<Child> adopt(pid_t pid, double started_ms, ChildEvents& events);
  virtual bool can_adopt() const { return false; }

  // Whether a child may lead a process group without a session.
  virtual bool can_lead_group() const { return false; }
};

// The portable spawner, over uv_spawn(). It cannot tell a child's usage: libuv reaps without asking for it. It finds a
// program before the child is there to exec it, and takes for a script, which the shell must run, what may be executed
// and begins with a line of text that is not "#!". It takes no orphans: libuv reaps the children that it has started,
// and no others. `shim` is the program of server/exec_shim.hpp, for children that set something.
std::unique_ptr<Spawner> make_uv_spawner(uv_loop_t* loop, std::string shim);

// Linux only, and where clone(2) does what it needs; else null. Starts children without copying the daemon and without
// waiting for them, and tells their usage. While it lives this process takes in the orphans of its children (prctl(2),
// PR_SET_CHILD_SUBREAPER) and it reaps them when they end; it reaps every child of the process, so it cannot stand
// beside another spawner. It takes SIGCHLD from a descriptor: every thread that exists already must have that signal
// blocked. It must outlive the Childs it has given out, and the loop must run on until uv_run() returns 0 before it
// dies.
std::unique_ptr<Spawner> make_native_spawner(uv_loop_t* loop);

}  // namespace runwire
