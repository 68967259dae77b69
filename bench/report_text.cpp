// The report for people. Source: the order of valkey-benchmark's summary.
#include <array>
#include <cstdio>
#include <utility>

#include "bench/decimal.hpp"
#include "bench/report.hpp"
#include "proto/json_writer.hpp"

namespace runwire {
namespace {

constexpr std::size_t kColumn = 11;

std::string per_command_us(double cpu_s, std::uint64_t commands) {
  return decimal(commands == 0 ? 0 : cpu_s * 1e6 / static_cast<double>(commands), 1) + " us a command";
}

std::string megabytes(std::int64_t kb) { return decimal(static_cast<double>(kb) / 1024, 1) + " MiB"; }

// What is counted: a command, or a line of a conversation.
std::string unit_of(const Options& options) {
  return options.scenario == Scenario::echo ? "round trips" : "commands";
}

std::string session_words(const Options& options) {
  const Plan& plan = options.plan;
  const std::uint32_t sessions = plan.sessions == 0 ? plan.connections : plan.sessions;
  std::string words = "scenario ";
  words += name_of(options.scenario);
  words += ": " + std::to_string(plan.connections) + " at a time in " + std::to_string(sessions);
  words += sessions == 1 ? " session" : " sessions";
  if (takes_a_command(options.scenario))
    words += options.reply == ReplyForm::stream ? ", replies streamed" : ", replies whole";
  return words += plan.new_connections ? ", a new one for each command" : "";
}

std::string load_line(const Report& report) {
  const Plan& plan = report.options.plan;
  std::string line = std::to_string(plan.connections);
  line += plan.new_connections ? " clients, a new connection for each command" : " connections, kept";
  if (report.options.scenario != Scenario::plain) line = session_words(report.options);
  if (!plan.open_loop) return line + "; closed loop (the next command follows the reply)";
  line += "; open loop, " + decimal(plan.open_loop->per_second, 0) + " commands per second at ";
  line += plan.open_loop->spacing == Spacing::fixed ? "fixed" : "random (Poisson)";
  return line + " intervals";
}

std::string check_line(const Report& report) {
  if (!takes_a_command(report.options.scenario))
    return "every byte, offset, count and status compared with what has to come";
  const bool told = report.options.expected_payload.has_value();
  return "every reply compared with " + std::string(told ? "what was asked for: " : "the first one: ") +
         std::to_string(report.expected.payload.size()) + " bytes, " + describe(report.expected.status);
}

std::string heading(const Report& report) {
  const Tally& tally = report.tally;
  std::string text = "====== " + json_quote(report.options.command) + " ======\n";
  text += "  " + std::to_string(tally.right) + " " + unit_of(report.options) + " completed in " +
          decimal(seconds(tally.elapsed), 2) + " seconds, " + std::to_string(tally.payload_bytes) +
          " bytes of output\n";
  text += "  " + to_string(report.options.address) + "; " + load_line(report) + "\n";
  return text + "  " + check_line(report) + "\n";
}

std::string latency_table(const Histogram& latency, const std::string& heading) {
  const std::pair<const char*, double> columns[] = {
      {"avg", latency.mean()},
      {"min", static_cast<double>(latency.min())},
      {"p50", static_cast<double>(latency.percentile(50))},
      {"p90", static_cast<double>(latency.percentile(90))},
      {"p99", static_cast<double>(latency.percentile(99))},
      {"p99.9", static_cast<double>(latency.percentile(99.9))},
      {"max", static_cast<double>(latency.max())},
  };
  std::string titles;
  std::string values;
  for (const auto& [title, value] : columns) {
    titles += right_aligned(title, kColumn);
    values += right_aligned(decimal(value / kMillisecond, 3), kColumn);
  }
  return "  " + heading + ":\n" + titles + "\n" + values + "\n";
}

std::string latency_tables(const Report& report) {
  const std::string from = report.options.plan.open_loop ? "the intended start" : "sending";
  std::string text = latency_table(report.tally.latency, "latency summary (msec, from " + from + ")");
  if (report.tally.first_byte.count() != 0)
    text += latency_table(report.tally.first_byte, "first byte of output (msec, from " + from + ")");
  return text;
}

std::string bulk_lines(const Report& report) {
  const Scenario scenario = report.options.scenario;
  const Tally& tally = report.tally;
  if ((scenario != Scenario::stream && scenario != Scenario::feed) || tally.elapsed == 0) return {};
  const double rate = static_cast<double>(tally.bytes_through()) / 1e6 / seconds(tally.elapsed);
  std::string text = "  data: " + std::to_string(tally.bytes_through()) + " bytes, " + decimal(rate, 1) +
                     " MB per second (1e6 bytes)\n";
  if (tally.lane_bytes.size() > 1)
    text += "  fairness: the slowest of " + std::to_string(tally.lane_bytes.size()) + " got " +
            decimal(tally.slowest_share(), 2) + " of their mean\n";
  return text;
}

std::string failure_lines(const Report& report) {
  const Tally& tally = report.tally;
  std::string text;
  for (std::size_t i = 0; i < kFailureKinds; ++i)
    if (tally.failures[i] != 0)
      text += "  failed: " + std::to_string(tally.failures[i]) + " " +
              std::string(title_of(static_cast<Failure>(i))) + "\n";
  if (!tally.first_failure.empty()) text += "  the first failure: " + json_quote(tally.first_failure) + "\n";
  const bool by_the_first = takes_a_command(report.options.scenario) && !report.options.expected_payload;
  if (count_of(tally, Failure::bytes) != 0 && by_the_first)
    text += "  only a command that prints the same every time can be measured; see --expect\n";
  if (report.warmup_failures != 0)
    text += "  failed while warming up: " + std::to_string(report.warmup_failures) + "\n";
  if (tally.reconnects != 0) text += "  connections opened anew: " + std::to_string(tally.reconnects) + "\n";
  if (!tally.gave_up.empty()) text += "  ended early: " + json_quote(tally.gave_up) + "\n";
  return text.empty() ? "  failed: 0\n" : text;
}

std::string cost_lines(const Report& report) {
  const Tally& tally = report.tally;
  const double span = seconds(tally.elapsed);
  std::string text = "Cost:\n  bench CPU: " + per_command_us(report.bench_cpu_s, tally.right) + ", " +
                     decimal(span == 0 ? 0 : report.bench_cpu_s / span * 100, 1) + " % of a core\n";
  if (!report.daemon) return text + "  daemon CPU and memory: unknown (see --pid)\n";
  const DaemonSample& daemon = *report.daemon;
  text += "  daemon CPU: own " + per_command_us(daemon.own_cpu_s, tally.right) + ", its children " +
          per_command_us(daemon.children_cpu_s, tally.right) + "\n";
  text += "  daemon memory: " + megabytes(daemon.rss_kb) + ", peak of its life " +
          megabytes(daemon.peak_rss_kb) + "\n";
  return text;
}

std::string where_lines(const Report& report) {
  std::string text = "Where:\n  machine: " + report.machine.cpu + ", " +
                     std::to_string(report.machine.cores) +
                     (report.machine.cores == 1 ? " core, " : " cores, ") + report.machine.kernel + "\n";
  if (const auto foreign = foreign_share(report)) {
    const double whole = seconds(report.tally.elapsed) * report.machine.cores;
    text += "  of it, other processes took " + decimal(*foreign * 100, 1) + " %, the hypervisor " +
            decimal(report.machine_cpu->stolen_s / whole * 100, 1) + " %\n";
  }
  text += "  bench:   " + report.bench_build + "\n  daemon:  " + report.daemon_build;
  if (report.daemon_pid) text += ", pid " + std::to_string(*report.daemon_pid);
  return text + "\n";
}

}  // namespace

std::string to_text(const Report& report) {
  std::string text = heading(report) + "\nSummary:\n";
  text += "  throughput summary: " + decimal(report.tally.per_second(), 2) + " " + unit_of(report.options) +
          " per second\n";
  text += bulk_lines(report) + latency_tables(report) + failure_lines(report);
  if (report.options.idle != 0)
    text += std::string(report.options.scenario == Scenario::plain ? "  idle connections: "
                                                                   : "  idle sessions: ") +
            std::to_string(report.options.idle) + " held, " + std::to_string(report.idle_lost) + " lost\n";
  return text + cost_lines(report) + where_lines(report);
}

}  // namespace runwire
