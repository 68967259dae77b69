// What of a command goes on in a program that takes this one's place (see server/successor.hpp). Values: they own no
// process and no descriptor.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proto/outcome.hpp"
#include "server/input_pipe.hpp"
#include "server/spawn.hpp"
#include "server/termination.hpp"

namespace runwire {

// What has been said to a command whose turn has not come yet.
struct SaidAhead {
  InputPipe::Rest input = {};
  std::vector<int> signals = {};
  std::array<bool, 2> stops = {false, false};  // its stdout, its stderr: of no use to anybody
};

// A command that runs, or whose output another process still holds, as it goes on in a program that takes this one's
// place. Times are uv_hrtime() in ms.
struct RunningJob {
  pid_t pid = 0;
  double started_ms = 0;
  ChildStreams streams;        // -1: at its end, closed, or never there
  std::string cgroup = {};     // the name of its control group; empty: it has none
  bool has_terminal = false;   // they are those of one
  bool group_is_over = false;  // nothing of its process group was left
  InputPipe::Rest input = {};
  std::vector<int> signals = {};  // not yet sent
  std::array<std::uint64_t, 2> handed_on = {0, 0};
  std::optional<std::uint64_t> timeout_due_ms = {};
  std::uint64_t last_output_ms = 0;
  std::optional<Reason> ending = {};  // why it is being ended, or has been
  Termination::Image termination = {};
  std::optional<ChildEnd> end = {};  // it has been reaped, and since then:
  std::optional<std::uint64_t> lingers_since_ms = {};
  std::uint64_t read_since_exit = 0;
  std::array<std::uint64_t, 2> handed_on_before_exit = {0, 0};
  bool cut = false;  // what still comes is thrown away
};

}  // namespace runwire
