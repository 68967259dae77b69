#include "bench/measurement.hpp"

#include <chrono>
#include <ctime>
#include <utility>

#include "bench/build_info.hpp"
#include "bench/idle_connections.hpp"
#include "bench/probe.hpp"
#include "bench/readiness.hpp"

namespace runwire {
namespace {

constexpr std::size_t kOtherDescriptors = 64;  // stdio, readiness, files under /proc

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm fields{};
  ::gmtime_r(&now, &fields);
  char text[32];
  return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &fields));
}

// What the first connection finds out for all others.
struct Acquaintance {
  Endpoint endpoint;
  Expectation expected;
  std::optional<pid_t> pid;
  std::string build = "unknown";
};

// A runwired can be asked, by the shell that it gives to everybody, what it is itself.
std::string daemon_build(Channel& channel, pid_t pid, Nanoseconds timeout) {
  const std::string name = program_name(pid);
  if (name != "runwired") return name.empty() ? "unknown" : name + " (build unknown)";
  const auto reply = ask_once(channel, "exec /proc/" + std::to_string(pid) + "/exe --version", timeout);
  const bool told = reply && reply->status == ExitStatus::exited(0);
  return told ? reply->payload.substr(0, reply->payload.find('\n')) : name + " (build unknown)";
}

constexpr std::uint64_t kWithoutEnd = UINT64_MAX;

std::string line_of(std::uint64_t bytes) {
  return std::string(static_cast<std::size_t>(bytes - 1), '.') + '\n';
}

// Of what a scenario's own command gives.
Expectation own_expectation(const Options& options) {
  Expectation expected;
  expected.status = ExitStatus::exited(0);
  if (options.scenario == Scenario::stream)
    expected.zeros = options.plan.endless ? kWithoutEnd : options.bytes;
  if (options.scenario == Scenario::feed && !options.plan.endless)
    expected.payload = std::to_string(options.bytes) + "\n";
  if (options.scenario == Scenario::echo) expected.payload = line_of(options.bytes);
  return expected;
}

Exercise exercise_of(const Options& options) {
  Exercise exercise;
  exercise.in_session = options.scenario != Scenario::plain;
  exercise.reply = options.scenario == Scenario::echo ? ReplyForm::stream : options.reply;
  exercise.window = options.window;
  if (options.scenario == Scenario::echo) exercise.kind = Exercise::Kind::converse;
  if (options.scenario == Scenario::feed) {
    exercise.kind = Exercise::Kind::feed;
    exercise.feed_bytes = options.plan.endless ? kWithoutEnd : options.bytes;
  }
  return exercise;
}

Result<Acquaintance> get_to_know(const Options& options) {
  const std::chrono::milliseconds timeout(options.plan.timeout / kMillisecond);
  auto channel = Channel::connect(options.address, timeout);
  RUNWIRE_TRY(channel);
  auto reply =
      ask_once(*channel, takes_a_command(options.scenario) ? options.command : ":", options.plan.timeout);
  RUNWIRE_TRY(reply);
  const auto endpoint = endpoint_of(channel->fd(), options.address);
  RUNWIRE_TRY(endpoint);
  if (options.expected_payload) reply->payload = *options.expected_payload;
  if (options.expected_status) reply->status = options.expected_status;
  if (!takes_a_command(options.scenario)) *reply = own_expectation(options);
  Acquaintance known{*endpoint, std::move(*reply), options.pid ? options.pid : daemon_pid(channel->fd())};
  if (known.pid) known.build = daemon_build(*channel, *known.pid, options.plan.timeout);
  channel->close_orderly();
  return known;
}

// All that is counted up while a run goes on.
struct Meters {
  explicit Meters(std::optional<pid_t> pid)
      : bench_cpu_s(own_cpu_s()),
        daemon(pid ? sample_daemon(*pid) : std::nullopt),
        machine(sample_machine_cpu()) {}

  double bench_cpu_s;
  std::optional<DaemonSample> daemon;
  std::optional<MachineCpu> machine;
};

void fill_in_costs(Report& report, const Meters& before, const Meters& after) {
  report.bench_cpu_s = after.bench_cpu_s - before.bench_cpu_s;
  if (before.daemon && after.daemon) {
    report.daemon = after.daemon;
    report.daemon->own_cpu_s -= before.daemon->own_cpu_s;
    report.daemon->children_cpu_s -= before.daemon->children_cpu_s;
  }
  if (before.machine && after.machine)
    report.machine_cpu = MachineCpu{after.machine->busy_s - before.machine->busy_s,
                                    after.machine->stolen_s - before.machine->stolen_s};
}

void add_failures(Tally& to, const Tally& more) {
  for (std::size_t kind = 0; kind < kFailureKinds; ++kind) to.failures[kind] += more.failures[kind];
  if (to.first_failure.empty()) to.first_failure = more.first_failure;
}

void run_phases(Load& load, Report& report, const PhaseObserver& observer) {
  bool go_on = true;
  const auto watch = [&](const char* phase) {
    return [&, phase](const Tally& so_far, Nanoseconds elapsed) {
      return go_on = observer(phase, so_far, elapsed);
    };
  };
  const Options& options = report.options;
  if (options.warmup != 0) {
    Tally warmup = load.run({0, options.warmup}, watch("warming up"));
    report.warmup_failures = warmup.failed();
    if (!go_on || !warmup.gave_up.empty()) {
      report.warmup_failures = 0;  // they are in the tally
      report.tally = std::move(warmup);
      return;
    }
  }
  const Meters before(report.daemon_pid);
  report.utc = utc_now();
  report.tally = load.run(options.extent, watch("measuring"));
  fill_in_costs(report, before, Meters(report.daemon_pid));
}

}  // namespace

Result<Report> measure(const Options& options, const PhaseObserver& observer) {
  RUNWIRE_TRY(allow_descriptors(options.plan.connections + options.idle + kOtherDescriptors));
  auto known = get_to_know(options);
  RUNWIRE_TRY(known);
  if (options.pid && !sample_daemon(*options.pid))
    return Error{Errc::invalid_argument,
                 "--pid: nothing can be learnt of a process " + std::to_string(*options.pid)};
  const std::uint32_t idle_connections = options.scenario == Scenario::plain ? options.idle : 0;
  auto idle = IdleConnections::open(options.address, idle_connections, options.plan.timeout);
  RUNWIRE_TRY(idle);
  auto readiness = Readiness::create();
  RUNWIRE_TRY(readiness);

  Report report;
  report.options = options;
  report.expected = known->expected;
  report.daemon_pid = known->pid;
  report.machine = this_machine();
  report.bench_build = bench_build();
  report.daemon_build = known->build;
  report.utc = utc_now();

  Target target{*readiness, known->endpoint, options.command, std::move(known->expected),
                exercise_of(options)};
  Load load(target, options.plan);
  if (!options.plan.new_connections) RUNWIRE_TRY(load.connect());
  run_phases(load, report, observer);
  add_failures(report.tally, load.wind_up());
  report.idle_lost = idle->lost() + load.idle_lost();
  return report;
}

}  // namespace runwire
