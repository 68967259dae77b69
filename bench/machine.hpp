// The machine a measurement was taken on, and how busy it was with other things meanwhile.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace runwire {

struct Machine {
  std::string cpu;     // the model's name; "unknown" where the system does not say
  unsigned cores = 0;  // those this process may use
  std::string kernel;  // "Linux 6.1.0 x86_64"
};
Machine this_machine();

// CPU time of the whole machine since its start, over all cores. Absent outside Linux.
struct MachineCpu {
  double busy_s = 0;    // spent in any process or in the kernel
  double stolen_s = 0;  // wanted, but the hypervisor gave it to others
};
std::optional<MachineCpu> sample_machine_cpu();
std::optional<MachineCpu> parse_stat_cpu(std::string_view proc_stat, double ticks_per_second);

// CPU time of this process and all of its threads, user and system.
double own_cpu_s();

}  // namespace runwire
