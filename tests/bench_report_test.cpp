#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "bench/build_info.hpp"
#include "bench/progress.hpp"
#include "bench/report.hpp"

using namespace runwire;

namespace {

// 1000 right replies of 1..1000 ms within 10 s on a machine of two cores.
Report sample() {
  Report report;
  report.options.address = {"", "127.0.0.1", 8098};
  report.options.extent.duration = 10 * kSecond;
  report.options.plan.connections = 64;
  report.expected = {"hello\n", ExitStatus::exited(0)};
  for (int ms = 1; ms <= 1000; ++ms) report.tally.latency.record(ms * kMillisecond);
  report.tally.right = 1000;
  report.tally.payload_bytes = 6000;
  report.tally.elapsed = 10 * kSecond;
  report.bench_cpu_s = 0.02;
  report.daemon = DaemonSample{0.1, 0.7, 3072, 4096};
  report.machine_cpu = MachineCpu{1.02, 0.1};
  report.daemon_pid = 42;
  report.machine = {"A CPU", 2, "Linux 6.1 x86_64"};
  report.bench_build = "runwire-bench 0.1.0 (release, gcc 12.2.0, asserts off, sanitizers off)";
  report.daemon_build = "runwired 0.1.0 (release, gcc 12.2.0, asserts off, sanitizers off, libuv 1.44.2)";
  report.utc = "2026-01-31T12:00:00Z";
  return report;
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

bool warns(const Report& report, std::string_view part) {
  const auto all = warnings(report);
  return std::any_of(all.begin(), all.end(), [&](const std::string& warning) { return has(warning, part); });
}

std::size_t fields_of(const std::string& csv_line) {
  bool quoted = false;
  std::size_t fields = 1;
  for (const char c : csv_line) {
    if (c == '"') quoted = !quoted;
    if (c == ',' && !quoted) ++fields;
  }
  return fields;
}

}  // namespace

TEST_CASE("report: in words it has the throughput, the percentiles, the failures and the costs") {
  const std::string text = to_text(sample());
  CHECK(has(text, "====== \"echo hello\" ======"));
  CHECK(has(text, "1000 commands completed in 10.00 seconds"));
  CHECK(has(text, "throughput summary: 100.00 commands per second"));
  CHECK(has(text, "avg        min        p50        p90        p99      p99.9        max"));
  CHECK(has(text, "    500.500      1.000    50"));
  CHECK(has(text, "failed: 0"));
  CHECK(has(text, "bench CPU: 20.0 us a command, 0.2 % of a core"));
  CHECK(has(text, "daemon CPU: own 100.0 us a command, its children 700.0 us a command"));
  CHECK(has(text, "daemon memory: 3.0 MiB, peak of its life 4.0 MiB"));
  CHECK(has(text, "A CPU, 2 cores, Linux 6.1 x86_64"));
  CHECK(has(text, "pid 42"));
}

TEST_CASE("report: it says which loop it was and from where latency counts") {
  Report report = sample();
  CHECK(has(to_text(report), "64 connections, kept; closed loop"));
  CHECK(has(to_text(report), "from sending"));
  report.options.plan.open_loop = OpenLoop{500, Spacing::poisson};
  CHECK(has(to_text(report), "open loop, 500 commands per second at random (Poisson) intervals"));
  CHECK(has(to_text(report), "from the intended start"));
  report.options.plan.open_loop->spacing = Spacing::fixed;
  CHECK(has(to_text(report), "at fixed intervals"));
  report.options.plan.new_connections = true;
  CHECK(has(to_text(report), "64 clients, a new connection for each command"));
}

TEST_CASE("report: of a session it says which scenario, over how many sessions, and what went through") {
  Report report = sample();
  CHECK(has(to_json(report), "\"scenario\":\"plain\""));
  CHECK(has(to_json(report), "\"sessions\":null,\"bytes_through\":null"));
  CHECK(has(to_json(report), "\"first_byte\":{\"avg_ms\":null"));
  report.options.scenario = Scenario::mux;
  report.options.plan.sessions = 1;
  report.options.reply = ReplyForm::stream;
  report.tally.first_byte.record(kMillisecond);
  CHECK(has(to_text(report), "scenario mux: 64 at a time in 1 session, replies streamed; closed loop"));
  CHECK(has(to_text(report), "first byte of output (msec, from sending)"));
  CHECK(has(to_json(report), "\"first_byte\":{\"avg_ms\":1.000"));
  report.options.scenario = Scenario::stream;
  report.tally.lane_bytes = {30'000'000, 10'000'000};
  CHECK(has(to_text(report), "data: 40000000 bytes, 4.0 MB per second"));
  CHECK(has(to_text(report), "the slowest of 2 got 0.50 of their mean"));
  CHECK(has(to_json(report), "\"bytes_through\":40000000,\"mb_per_s\":4.000,\"slowest_share\":0.500"));
  report.options.scenario = Scenario::echo;
  CHECK(has(to_text(report), "1000 round trips completed"));
}

TEST_CASE("report: failures stand by kind, with the first one in words") {
  Report report = sample();
  report.tally.failures[static_cast<std::size_t>(Failure::reset)] = 3;
  report.tally.failures[static_cast<std::size_t>(Failure::bytes)] = 2;
  report.tally.first_failure = "reset: recv";
  const std::string text = to_text(report);
  CHECK(has(text, "failed: 3 reset\n"));
  CHECK(has(text, "failed: 2 wrong bytes\n"));
  CHECK(has(text, "the first failure: \"reset: recv\""));
  CHECK(has(text, "prints the same every time"));
  CHECK_FALSE(has(text, "failed: 0"));
}

TEST_CASE("report: a daemon that cannot be looked into is unknown and not zero") {
  Report report = sample();
  report.daemon.reset();
  CHECK(has(to_text(report), "daemon CPU and memory: unknown"));
  CHECK(has(to_json(report), "\"daemon_rss_kb\":null"));
  CHECK(foreign_share(report) == std::nullopt);
}

TEST_CASE("report: control characters of a command do not reach the terminal") {
  Report report = sample();
  report.options.command = "printf '\x1b[2J'";
  CHECK(to_text(report).find('\x1b') == std::string::npos);
}

TEST_CASE("report: JSON is one line with each figure under its name") {
  const std::string json = to_json(sample());
  CHECK(std::count(json.begin(), json.end(), '\n') == 1);
  for (const char* part :
       {"\"loop\":\"closed\"", "\"connections\":64", "\"right\":1000", "\"per_second\":100.000",
        "\"max_ms\":1000.000", "\"wrong_bytes\":0", "\"daemon_own_cpu_us_per_command\":100.000",
        "\"offered_per_second\":null", "\"cores\":2", "\"daemon_peak_rss_kb\":4096"}) {
    CAPTURE(part);
    CHECK(has(json, part));
  }
}

TEST_CASE("report: CSV has a value for every title, also when the command has quotes and commas") {
  Report report = sample();
  report.options.command = "echo \"a,b\", c";
  const std::string csv = to_csv(report);
  const auto end_of_titles = csv.find('\n');
  CHECK(fields_of(csv.substr(0, end_of_titles)) == fields_of(csv.substr(end_of_titles + 1)));
  CHECK(has(csv, "\"echo \"\"a,b\"\", c\""));
  CHECK(has(csv.substr(0, end_of_titles), ",p99_9_ms,"));
}

TEST_CASE("report: the share of other processes leaves out ours") {
  // 1.02 s busy, of which 0.02 + 0.1 + 0.7 are ours: 0.2 s of 20 s.
  CHECK(*foreign_share(sample()) == doctest::Approx(0.01));
}

TEST_CASE("report: a release on a quiet machine is worth no warning") { CHECK(warnings(sample()).empty()); }

TEST_CASE("report: asserts and sanitizers are warned of, in either program") {
  Report report = sample();
  report.daemon_build = "runwired 0.1.0 (debug, gcc 12.2.0, asserts on, sanitizers on, libuv 1.44.2)";
  CHECK(warns(report, "the daemon is no release build (asserts are on, sanitizers are on)"));
  report = sample();
  report.bench_build = "runwire-bench 0.1.0 (debug, gcc 12.2.0, asserts on, sanitizers off)";
  CHECK(warns(report, "runwire-bench is no release build (asserts are on)"));
}

TEST_CASE("report: an unknown build is not warned of") {
  CHECK(slowed_by("python3.11 (build unknown)").empty());
}

TEST_CASE(
    "report: a busy machine, a busy bench, commands that had to wait and a long command are warned of") {
  Report report = sample();
  report.machine_cpu->busy_s = 10;
  CHECK(warns(report, "of the machine went to other processes"));
  report = sample();
  report.bench_cpu_s = 9;
  CHECK(warns(report, "runwire-bench itself was busy"));
  report = sample();
  report.tally.waited = 10;
  CHECK_FALSE(warns(report, "connections were busy"));
  report.tally.waited = 11;
  CHECK(warns(report, "1.1 % of the commands were due while all 64 connections were busy"));
  report.tally.waited = 0;
  report.tally.failures[static_cast<std::size_t>(Failure::unsent)] = 1000;
  CHECK(warns(report, "50.0 % of the commands were due"));
  report = sample();
  report.options.command.assign(512, 'x');
  CHECK(warns(report, "10 ms of silence"));
}

TEST_CASE("report: only a run without any failure, warm-up and idle connections included, is all right") {
  CHECK(sample().all_right());
  Report report = sample();
  report.warmup_failures = 1;
  CHECK_FALSE(report.all_right());
  report = sample();
  report.idle_lost = 1;
  CHECK_FALSE(report.all_right());
  report = sample();
  report.tally.gave_up = "why";
  CHECK_FALSE(report.all_right());
}

TEST_CASE("progress: the live line has rate, percentiles and failures") {
  Tally tally = sample().tally;
  tally.failures[0] = 2;
  CHECK(progress_line("measuring", tally, 2 * kSecond).find("measuring 2.0 s: 500 commands/s, p50 50") == 0);
  CHECK(has(progress_line("measuring", tally, 2 * kSecond), "2 failed"));
  CHECK(has(progress_line("warming up", Tally(), 0), "0 commands/s"));
}
