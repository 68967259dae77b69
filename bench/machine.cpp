#include "bench/machine.hpp"

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <sstream>

#if defined(__linux__)
#include <sched.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#include "bench/text_file.hpp"

namespace runwire {
namespace {

std::string cpu_model() {
#if defined(__APPLE__)
  char name[256] = "";
  size_t size = sizeof name;
  if (::sysctlbyname("machdep.cpu.brand_string", name, &size, nullptr, 0) == 0) return name;
#endif
  std::istringstream lines(read_text_file("/proc/cpuinfo").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    const auto value = line.find(": ");
    if (line.starts_with("model name") && value != line.npos) return line.substr(value + 2);
  }
  return "unknown";
}

unsigned usable_cores() {
#if defined(__linux__)
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof allowed, &allowed) == 0)
    return static_cast<unsigned>(CPU_COUNT(&allowed));
#endif
  const long cores = ::sysconf(_SC_NPROCESSORS_ONLN);
  return cores < 1 ? 1 : static_cast<unsigned>(cores);
}

double in_seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

Machine this_machine() {
  utsname system{};
  ::uname(&system);
  return {cpu_model(), usable_cores(),
          std::string(system.sysname) + " " + system.release + " " + system.machine};
}

std::optional<MachineCpu> sample_machine_cpu() {
  const auto text = read_text_file("/proc/stat");
  return text ? parse_stat_cpu(*text, static_cast<double>(::sysconf(_SC_CLK_TCK))) : std::nullopt;
}

std::optional<MachineCpu> parse_stat_cpu(std::string_view proc_stat, double ticks_per_second) {
  std::istringstream fields{std::string(proc_stat)};
  std::string title;
  enum { user, nice, system, idle, iowait, irq, softirq, steal, kFields };
  std::array<double, kFields> ticks{};
  fields >> title;
  for (double& field : ticks) fields >> field;
  if (!fields || title != "cpu") return std::nullopt;
  const double busy = ticks[user] + ticks[nice] + ticks[system] + ticks[irq] + ticks[softirq];
  return MachineCpu{busy / ticks_per_second, ticks[steal] / ticks_per_second};
}

double own_cpu_s() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return in_seconds(usage.ru_utime) + in_seconds(usage.ru_stime);
}

}  // namespace runwire
