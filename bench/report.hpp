// Everything that is known after a measurement, and its three forms.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bench/daemon_stats.hpp"
#include "bench/load.hpp"
#include "bench/machine.hpp"
#include "bench/options.hpp"

namespace runwire {

struct Report {
  Options options;  // as they were asked for
  Expectation expected;
  Tally tally;
  std::uint64_t warmup_failures = 0;  // commands; those of the run itself are in `tally`
  std::uint64_t idle_lost = 0;

  double bench_cpu_s = 0;              // this and the next two: during the measured run only
  std::optional<DaemonSample> daemon;  // CPU times of the run; memory at its end
  std::optional<MachineCpu> machine_cpu;
  std::optional<pid_t> daemon_pid;

  Machine machine;
  std::string bench_build;
  std::string daemon_build = "unknown";
  std::string utc;  // when the run began, "2026-01-31T12:00:00Z"

  bool all_right() const { return tally.all_right() && warmup_failures == 0 && idle_lost == 0; }
};

// What a reader of the figures has to know before believing them: slowed builds, a busy machine, a bench that
// was its own bottleneck, an open loop that could not keep its rate. One sentence each.
std::vector<std::string> warnings(const Report& report);

std::string to_text(const Report& report);  // for people; several lines
std::string to_json(const Report& report);  // one object, one line
std::string to_csv(const Report& report);   // a line of titles and a line of values

// Share of the machine (0..1) that was taken by processes other than the bench, the daemon and its ended
// children. Absent where one of them is not known.
std::optional<double> foreign_share(const Report& report);

}  // namespace runwire
