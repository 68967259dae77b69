// The bare cost of a command: what is left when nothing but starting it, reading its two pipes and reaping it is
// done. No daemon can be faster for long; what it reaches of this is its efficiency.
#pragma once

#include <string>
#include <vector>

#include "bench/clock.hpp"
#include "proto/result.hpp"

namespace runwire {

enum class StartHow { clone, posix_spawn };

struct BareSpawn {
  std::string command = "echo hello";  // run as /bin/sh -c COMMAND
  unsigned processes = 1;              // that start commands, each on its own
  unsigned in_flight = 1;              // commands of each at a time
  Nanoseconds duration = kSecond;
  StartHow start = StartHow::clone;  // where that is not to be had (not Linux) as posix_spawn
};

struct BareSpawnResult {
  double per_second = 0;
  double p50_ms = 0, p99_ms = 0;  // from the start to the reaping, at as many in flight
  double first_byte_p50_ms = 0;   // from the start to the first byte read from a pipe; 0: no command prints
  double cpu_us = 0;              // of starters and commands, for one command
  double starter_cpu_us = 0;      // of the starters alone
};

// Commands are started by clone(CLONE_VM | CLONE_VFORK), or by posix_spawn(3), which does some things besides.
// ERRORS: Errc::io where a command cannot be started or a pipe not be read.
Result<BareSpawnResult> measure_bare_spawn(const BareSpawn& how);

}  // namespace runwire
