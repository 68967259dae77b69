#include "bench/report.hpp"

#include <algorithm>

#include "bench/build_info.hpp"
#include "bench/decimal.hpp"
#include "proto/limits.hpp"

namespace runwire {
namespace {

constexpr double kNoticeableForeign = 0.05;
constexpr double kBusyBench = 0.8;  // of one core
constexpr double kNoticeableWaiting = 0.01;

void warn_of_builds(const Report& report, std::vector<std::string>& out) {
  const std::string bench = slowed_by(report.bench_build);
  const std::string daemon = slowed_by(report.daemon_build);
  if (!bench.empty())
    out.push_back("runwire-bench is no release build (" + bench + "): it may be the bottleneck");
  if (!daemon.empty())
    out.push_back("the daemon is no release build (" + daemon + "): it is slower than need be");
}

void warn_of_waiting(const Report& report, std::vector<std::string>& out) {
  const Tally& tally = report.tally;
  const auto all = static_cast<double>(tally.right + tally.failed());
  const auto waited =
      static_cast<double>(tally.waited) + static_cast<double>(count_of(tally, Failure::unsent));
  if (waited <= kNoticeableWaiting * all) return;
  out.push_back(decimal(waited / all * 100, 1) + " % of the commands were due while all " +
                std::to_string(report.options.plan.connections) +
                " connections were busy: the rate is too high for the daemon, or -c too low");
}

}  // namespace

std::optional<double> foreign_share(const Report& report) {
  if (!report.machine_cpu || !report.daemon || report.tally.elapsed == 0) return std::nullopt;
  const double ours = report.bench_cpu_s + report.daemon->own_cpu_s + report.daemon->children_cpu_s;
  const double whole = seconds(report.tally.elapsed) * report.machine.cores;
  return std::max(0.0, report.machine_cpu->busy_s - ours) / whole;
}

std::vector<std::string> warnings(const Report& report) {
  std::vector<std::string> out;
  warn_of_builds(report, out);
  const double span = seconds(report.tally.elapsed);
  if (span > 0 && report.bench_cpu_s > kBusyBench * span)
    out.push_back("runwire-bench itself was busy nearly all the time: the daemon may be faster than this");
  if (const auto foreign = foreign_share(report); foreign && *foreign > kNoticeableForeign)
    out.push_back(decimal(*foreign * 100, 1) + " % of the machine went to other processes: measure again");
  warn_of_waiting(report, out);
  if (report.options.command.size() >= kUncutBytes)
    out.push_back("a command of " + std::to_string(kUncutBytes) + " bytes or more waits for " +
                  std::to_string(kBurstQuietMs) + " ms of silence before it starts, by the protocol");
  return out;
}

}  // namespace runwire
