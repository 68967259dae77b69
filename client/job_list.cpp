#include "client/job_list.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "client/printable.hpp"
#include "client/relay_ending.hpp"

namespace runwire {
namespace {

constexpr std::size_t kColumns = 8;
using Row = std::array<std::string, kColumns>;

const Row kHeading = {"ID", "STATE", "AGE", "OUT", "CLIENTS", "STATUS", "WHO", "COMMAND"};

std::string age(std::uint64_t ms) {
  const std::uint64_t seconds = ms / 1000;
  if (seconds < 120) return std::to_string(seconds) + "s";
  if (seconds < 7200) return std::to_string(seconds / 60) + "m";
  if (seconds < 172800) return std::to_string(seconds / 3600) + "h";
  return std::to_string(seconds / 86400) + "d";
}

// What who waits for it exits with.
int exit_status_of(const JobInfo& job) {
  RelayEnding ending;
  ending.exit.emplace();
  ending.exit->status = *job.status;
  ending.exit->reason = job.reason;
  ending.exit->truncated = job.reason == Reason::output_limit;
  return exit_status_of(ending);
}

// That, and the reason where it is not all.
std::string status(const JobInfo& job) {
  if (job.phase != JobPhase::finished) return "-";
  if (!job.status) return "never ran";
  const std::string number = std::to_string(exit_status_of(job));
  const bool was_ended = job.reason && *job.reason != Reason::exited && *job.reason != Reason::signal;
  if (was_ended) return number + " " + std::string(name_of(*job.reason));
  return job.status->by_signal() ? number + " " + signal_name(job.status->signal()) : number;
}

Row row(const JobInfo& job) {
  return {printable(job.id),
          std::string(name_of(job.phase)),
          age(job.age_ms),
          std::to_string(job.stdout_bytes + job.stderr_bytes),
          std::to_string(job.clients),
          status(job),
          printable(job.who),
          printable(job.command)};
}

std::string line(const Row& row, const std::array<std::size_t, kColumns>& widths) {
  std::string text;
  for (std::size_t i = 0; i < kColumns; ++i) {
    text += row[i];
    if (i + 1 < kColumns) text += std::string(widths[i] - row[i].size() + 2, ' ');
  }
  return text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
}

}  // namespace

std::string job_table(const std::vector<JobInfo>& jobs) {
  if (jobs.empty()) return "";
  std::vector<Row> rows = {kHeading};
  for (const JobInfo& job : jobs) rows.push_back(row(job));
  std::array<std::size_t, kColumns> widths = {};
  for (const Row& each : rows)
    for (std::size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], each[i].size());
  std::string table;
  for (const Row& each : rows) table += line(each, widths);
  return table;
}

}  // namespace runwire
