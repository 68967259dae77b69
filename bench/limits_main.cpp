// runwire-limits: the bare limits that runwired is compared with, as one line of JSON.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "bench/bare_copy.hpp"
#include "bench/bare_spawn.hpp"
#include "bench/duration.hpp"
#include "proto/json_writer.hpp"

namespace {

using namespace runwire;

constexpr int kExitTrouble = 255;

int complain(const Error& error) {
  std::fprintf(stderr, "runwire-limits: %s\n", error.message.c_str());
  return kExitTrouble;
}

int print(JsonWriter&& json) {
  std::printf("%s\n", std::move(json).finish().c_str());
  return 0;
}

int run_spawn(const BareSpawn& how) {
  const auto result = measure_bare_spawn(how);
  if (!result) return complain(result.error());
  JsonWriter json;
  json.decimal("per_second", result->per_second).decimal("p50_ms", result->p50_ms);
  json.decimal("first_byte_p50_ms", result->first_byte_p50_ms);
  json.decimal("p99_ms", result->p99_ms).decimal("cpu_us", result->cpu_us);
  return print(std::move(json.decimal("starter_cpu_us", result->starter_cpu_us)));
}

int print_copy(const Result<BareCopyResult>& result) {
  if (!result) return complain(result.error());
  JsonWriter json;
  return print(std::move(json.decimal("mb_per_s", result->mb_per_s)));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("The bare limits of this machine: starting commands, and copying a pipe to loopback TCP.");
  app.require_subcommand(1);
  BareSpawn how;
  std::string duration = "1s";
  auto* spawn = app.add_subcommand("spawn", "start, read and reap commands in a loop, and nothing else");
  spawn->add_option("--processes", how.processes, "that start them")->check(CLI::Range(1, 64));
  spawn->add_option("--in-flight", how.in_flight, "of each process")->check(CLI::Range(1, 1000));
  bool by_posix_spawn = false;
  spawn->add_flag("--posix-spawn", by_posix_spawn, "by posix_spawn(3), not by clone(2)");
  spawn->add_option("--duration", duration, "as 500ms, 2s");
  spawn->add_option("command", how.command, "for /bin/sh -c")->capture_default_str();
  std::uint64_t bytes = 1 << 30;
  bool by_splice = false;
  auto* copy = app.add_subcommand("copy", "a command's pipe to a TCP connection");
  copy->add_option("--bytes", bytes)->capture_default_str();
  copy->add_flag("--splice", by_splice, "by splice(2), not by read and write");
  auto* feed = app.add_subcommand("feed", "a TCP connection to a command's pipe");
  feed->add_option("--bytes", bytes)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (copy->parsed())
    return print_copy(measure_bare_copy(by_splice ? CopyHow::splice : CopyHow::read_write, bytes));
  if (feed->parsed()) return print_copy(measure_bare_feed(bytes));
  const auto parsed = parse_duration(duration);
  if (!parsed) return complain(parsed.error());
  how.duration = *parsed;
  how.start = by_posix_spawn ? StartHow::posix_spawn : StartHow::clone;
  return run_spawn(how);
}
