// The report for programs. Each figure is there once, under one name, in JSON and in CSV.
#include <utility>
#include <vector>

#include "bench/decimal.hpp"
#include "bench/report.hpp"
#include "proto/json_writer.hpp"

namespace runwire {
namespace {

struct Figure {
  std::string key;
  std::optional<double> value;  // absent: unknown
  int places;
};
using Figures = std::vector<Figure>;

std::optional<double> per_command_us(double cpu_s, const Tally& tally) {
  if (tally.right == 0) return std::nullopt;
  return cpu_s * 1e6 / static_cast<double>(tally.right);
}

Figures latency_figures(const Histogram& latency) {
  const auto ms = [](Nanoseconds value) { return milliseconds(value); };
  return {{"avg_ms", latency.mean() / kMillisecond, 3},  {"min_ms", ms(latency.min()), 3},
          {"p50_ms", ms(latency.percentile(50)), 3},     {"p90_ms", ms(latency.percentile(90)), 3},
          {"p95_ms", ms(latency.percentile(95)), 3},     {"p99_ms", ms(latency.percentile(99)), 3},
          {"p99_9_ms", ms(latency.percentile(99.9)), 3}, {"max_ms", ms(latency.max()), 3}};
}

// Until the first byte of streamed output; absent where none was.
Figures first_byte_figures(const Tally& tally, const std::string& prefix) {
  Figures figures = latency_figures(tally.first_byte);
  for (Figure& figure : figures) {
    figure.key = prefix + figure.key;
    if (tally.first_byte.count() == 0) figure.value.reset();
  }
  return figures;
}

Figures session_figures(const Report& report) {
  const Options& options = report.options;
  const Tally& tally = report.tally;
  const bool in_session = options.scenario != Scenario::plain;
  const auto of_session = [&](double value) { return in_session ? std::optional(value) : std::nullopt; };
  const std::uint32_t sessions =
      options.plan.sessions == 0 ? options.plan.connections : options.plan.sessions;
  const double span = seconds(tally.elapsed);
  const auto through = static_cast<double>(tally.bytes_through());
  return {{"sessions", of_session(sessions), 0},
          {"bytes_through", of_session(through), 0},
          {"mb_per_s", of_session(span > 0 ? through / 1e6 / span : 0), 3},
          {"slowest_share", of_session(tally.slowest_share()), 3}};
}

Figures load_figures(const Report& report) {
  const auto& open_loop = report.options.plan.open_loop;
  return {{"connections", report.options.plan.connections, 0},
          {"offered_per_second", open_loop ? std::optional(open_loop->per_second) : std::nullopt, 3},
          {"warmup_s", seconds(report.options.warmup), 3},
          {"idle_connections", report.options.idle, 0},
          {"expected_bytes", static_cast<double>(report.expected.payload.size()), 0}};
}

Figures result_figures(const Report& report) {
  const Tally& tally = report.tally;
  return {{"right", static_cast<double>(tally.right), 0},
          {"failed", static_cast<double>(tally.failed()), 0},
          {"warmup_failed", static_cast<double>(report.warmup_failures), 0},
          {"waited", static_cast<double>(tally.waited), 0},
          {"reconnects", static_cast<double>(tally.reconnects), 0},
          {"idle_lost", static_cast<double>(report.idle_lost), 0},
          {"seconds", seconds(tally.elapsed), 6},
          {"per_second", tally.per_second(), 3},
          {"payload_bytes", static_cast<double>(tally.payload_bytes), 0}};
}

Figures failure_figures(const Tally& tally) {
  Figures figures;
  for (std::size_t i = 0; i < kFailureKinds; ++i)
    figures.push_back(
        {std::string(key_of(static_cast<Failure>(i))), static_cast<double>(tally.failures[i]), 0});
  return figures;
}

Figures cost_figures(const Report& report) {
  const auto& daemon = report.daemon;
  const auto of_daemon = [&](auto read) {
    return daemon ? std::optional<double>(read(*daemon)) : std::nullopt;
  };
  const auto us = [&](double DaemonSample::*field) {
    return daemon ? per_command_us((*daemon).*field, report.tally) : std::nullopt;
  };
  return {{"bench_cpu_s", report.bench_cpu_s, 3},
          {"bench_cpu_us_per_command", per_command_us(report.bench_cpu_s, report.tally), 3},
          {"daemon_own_cpu_us_per_command", us(&DaemonSample::own_cpu_s), 3},
          {"daemon_children_cpu_us_per_command", us(&DaemonSample::children_cpu_s), 3},
          {"daemon_rss_kb", of_daemon([](const DaemonSample& d) { return d.rss_kb; }), 0},
          {"daemon_peak_rss_kb", of_daemon([](const DaemonSample& d) { return d.peak_rss_kb; }), 0},
          {"foreign_cpu_share", foreign_share(report), 3}};
}

void write(JsonWriter& json, const Figures& figures) {
  for (const auto& [key, value, places] : figures) {
    if (!value)
      json.null(key);
    else if (places == 0)
      json.number(key, static_cast<std::int64_t>(*value));
    else
      json.decimal(key, *value);
  }
}

void write(JsonWriter& json, std::string_view name, const Figures& figures) {
  json.begin_object(name);
  write(json, figures);
  json.end_object();
}

std::string mode_of(const Plan& plan) {
  if (!plan.open_loop) return "closed";
  return plan.open_loop->spacing == Spacing::fixed ? "open-fixed" : "open-poisson";
}

// RFC 4180: quotes around it, quotes within doubled.
std::string csv_quote(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out += '"';
}

using Texts = std::vector<std::pair<std::string, std::string>>;

Texts texts(const Report& report) {
  return {{"utc", report.utc},
          {"command", report.options.command},
          {"address", to_string(report.options.address)},
          {"loop", mode_of(report.options.plan)},
          {"scenario", std::string(name_of(report.options.scenario))},
          {"reply", report.options.reply == ReplyForm::stream ? "stream" : "whole"},
          {"expected_status", describe(report.expected.status)},
          {"first_failure", report.tally.first_failure},
          {"gave_up", report.tally.gave_up},
          {"cpu", report.machine.cpu},
          {"kernel", report.machine.kernel},
          {"bench_build", report.bench_build},
          {"daemon_build", report.daemon_build}};
}

}  // namespace

std::string to_json(const Report& report) {
  JsonWriter json;
  for (const auto& [key, value] : texts(report)) json.text(key, value);
  json.boolean("new_connections", report.options.plan.new_connections).number("cores", report.machine.cores);
  write(json, load_figures(report));
  write(json, result_figures(report));
  write(json, session_figures(report));
  write(json, "latency", latency_figures(report.tally.latency));
  write(json, "first_byte", first_byte_figures(report.tally, ""));
  write(json, "failures", failure_figures(report.tally));
  write(json, "cost", cost_figures(report));
  return std::move(json).finish() + "\n";
}

std::string to_csv(const Report& report) {
  std::string titles;
  std::string values;
  for (const auto& [key, value] : texts(report)) {
    titles += key + ",";
    values += csv_quote(value) + ",";
  }
  titles += "new_connections,cores";
  values += report.options.plan.new_connections ? "1," : "0,";
  values += std::to_string(report.machine.cores);
  const Figures groups[] = {load_figures(report),
                            result_figures(report),
                            session_figures(report),
                            latency_figures(report.tally.latency),
                            first_byte_figures(report.tally, "first_byte_"),
                            failure_figures(report.tally),
                            cost_figures(report)};
  for (const Figures& group : groups)
    for (const auto& [key, value, places] : group) {
      titles += ',';
      titles += key;
      values += ',';
      if (value) values += decimal(*value, places);
    }
  return titles + "\n" + values + "\n";
}

}  // namespace runwire
