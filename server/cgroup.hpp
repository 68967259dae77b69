// Control groups of our own (Linux, cgroup v2): what no process can leave by itself, whatever it does to its session,
// its parents and its environment.
//
// They are to be had where the group that this process is in may be written to by its user: delegated by systemd
// (Delegate=yes), or in a container with a writable /sys/fs/cgroup, or as root. One takes some 80 us of CPU, and who
// moves in waits for a lock of the kernel's, up to half a millisecond: too much for every command. A command moves in
// by itself, before it executes its program: moved from outside, it may have started others meanwhile.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/descriptor.hpp"

namespace runwire {

// One command's. It is removed at its end, unless somebody is left in it.
class Cgroup {
 public:
  explicit Cgroup(std::string path);
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;
  ~Cgroup();

  // Who writes 0 there is in it from then on, with all that it starts.
  int door() const { return door_.get(); }
  std::string name() const { return path_.substr(path_.rfind('/') + 1); }  // in its tree

  // Those that live; zombies do not.
  std::vector<pid_t> members() const;

  // KILL to all at once, so that none can fork away. Returns how many there were; 0 also before Linux 5.14.
  std::size_t kill() const;

 private:
  std::string path_;
  Descriptor door_;
};

// The daemon's, in which those of its commands are. The daemon itself stays where it is.
class CgroupTree {
 public:
  // runwired.PID in the group that this process is in; it may be there from before an exec of ours. What others have
  // left there that are no more is removed. Null where none is to be had.
  static std::unique_ptr<CgroupTree> make();
  CgroupTree(const CgroupTree&) = delete;
  CgroupTree& operator=(const CgroupTree&) = delete;
  ~CgroupTree();

  const std::string& path() const { return path_; }

  // Null where it can't be made.
  std::unique_ptr<Cgroup> make_group(const std::string& name) const;
  // One that is there, from before an exec of ours; null where it is not.
  std::unique_ptr<Cgroup> open_group(const std::string& name) const;

 private:
  explicit CgroupTree(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace runwire
