// A child's stdin, stdout and stderr as its SpawnSpec wants them: both ends, until each has its owner.
#pragma once

#include "server/descriptor.hpp"
#include "server/pty.hpp"
#include "server/spawn.hpp"

namespace runwire {

class ChildStdio {
 public:
  // A failure without an error where it has worked.
  SpawnFailure open(const SpawnSpec& spec);

  // The child's; -1: its stdin is /dev/null.
  int of_child(int number) const;
  ChildStreams take_ours();
  void close_ends_of_child();

 private:
  Pipe in_, out_, err_;
  Pty terminal_;  // in the place of all three; in_'s write end is then a second one of its master
};

}  // namespace runwire
