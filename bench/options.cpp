#include "bench/options.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <vector>

#include "bench/build_info.hpp"
#include "bench/duration.hpp"
#include "bench/text_file.hpp"
#include "client/shell_line.hpp"
#include "proto/limits.hpp"

namespace runwire {
namespace {

constexpr const char* kHelp = R"(Usage: runwire-bench [OPTIONS] [HOST [COMMAND...]]

Examples:
  runwire-bench                                   10 s of `echo hello` against the local runwired
  runwire-bench -c 64 -n 20000 localhost true     64 clients, 20000 commands, over TCP
  runwire-bench -r 500 -z 30s --json out.json     500 commands a second, whatever the daemon does
  runwire-bench --idle 10000 -c 8                 with 10000 further connections that do nothing

HOST is host:port, [::1]:port or unix:/path. Options stand before it; all words after it are the command.

Load:
  -c, --connections N     clients, each with one command at a time (8; with --rate 256; see --scenario)
  -n, --commands N        end after N commands
  -z, --duration TIME     end after 10s, 500ms, 2m (10s, unless -n is given)
  -r, --rate N            open loop: N commands a second; latency counts from the intended start
      --spacing KIND      with --rate: `poisson` (random gaps, the default) or `fixed` gaps
      --new-connection    connect anew for each command
  -w, --warmup TIME       the same load before, not measured (1s)
      --idle N            hold N more connections open that send nothing
      --command TEXT      the command, where no HOST is named
      --timeout TIME      a reply that takes longer is a failure; without any the run ends (10s)
      --scenario NAME     `plain`, or in sessions: `spawn`, `mux` (100 commands on one connection), `many-idle`
                          (beside 1000 sessions), `stream` or `stdin` (a command with 1 GiB), `echo` (lines, by cat)
      --sessions N        connections that carry the -c commands (one for each)
      --reply FORM        of spawn, mux, many-idle: `whole` (default) or `stream`, with time to first byte
      --bytes N, --window N   of stream, stdin (0: endless, until -z), a line of echo; flow control of output

Every reply is compared, byte for byte, with
      --expect TEXT       this output (stdout, then stderr), or
      --expect-file FILE  the content of FILE; without either: what the first reply has
      --expect-status N   and this status, 128+N for a signal; without it: what the first reply has

Report:
      --json FILE, --csv FILE   `-` is stdout, in the place of the report in words
      --pid PID           the daemon's process, where it is not found through the connection
      --no-progress       no live line on a terminal
  -h, --help              this text
  -V, --version           version and build

Exit status: 0 every reply was right, 1 some were not, 255 nothing could be measured.
)";

// As they stand on the command line, before they mean anything.
struct Words {
  std::string host;
  std::vector<std::string> command_words;
  std::string command;
  std::string duration = "10s";
  std::string warmup = "1s";
  std::string timeout = "10s";
  double rate = 0;
  std::string spacing = "poisson";
  std::string expect;
  std::string expect_file;
  int expect_status = 0;
  std::string scenario = "plain";
  std::string reply = "whole";
};

Error misuse(std::string message) { return {Errc::invalid_argument, std::move(message)}; }

void describe_load(CLI::App& app, Words& words, Options& options) {
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.add_option("-c,--connections", options.plan.connections)->check(CLI::Range(1, 1'000'000));
  app.add_option("-n,--commands", options.extent.commands)->check(CLI::PositiveNumber);
  app.add_option("-z,--duration", words.duration);
  app.add_option("-r,--rate", words.rate)->check(CLI::PositiveNumber);
  app.add_option("--spacing", words.spacing)->check(CLI::IsMember({"poisson", "fixed"}))->needs("--rate");
  app.add_flag("--new-connection", options.plan.new_connections);
  app.add_option("-w,--warmup", words.warmup);
  app.add_option("--idle", options.idle)->check(CLI::Range(0, 1'000'000));
  app.add_option("--command", words.command);
  app.add_option("--timeout", words.timeout);
}

void describe_sessions(CLI::App& app, Words& words, Options& options) {
  app.add_option("--scenario", words.scenario);
  app.add_option("--sessions", options.plan.sessions)->check(CLI::Range(1, 1'000'000));
  app.add_option("--reply", words.reply)->check(CLI::IsMember({"whole", "stream"}));
  app.add_option("--bytes", options.bytes)->transform(CLI::AsSizeValue(false));
  app.add_option("--window", options.window)->transform(CLI::AsSizeValue(false))->check(CLI::PositiveNumber);
}

void describe_the_rest(CLI::App& app, Words& words, Options& options) {
  CLI::Option* expect = app.add_option("--expect", words.expect);
  app.add_option("--expect-file", words.expect_file)->excludes(expect);
  app.add_option("--expect-status", words.expect_status)->check(CLI::Range(0, 255));
  app.add_option("--json", options.json_path);
  app.add_option("--csv", options.csv_path);
  app.add_option("--pid", options.pid)->check(CLI::PositiveNumber);
  app.add_flag("!--no-progress", options.progress);
  app.set_help_flag("-h,--help");
  app.set_version_flag("-V,--version", bench_build());
  app.add_option("HOST", words.host);
  app.add_option("COMMAND", words.command_words)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.positionals_at_end();
  app.formatter_fn(
      [](const CLI::App*, const std::string&, CLI::AppFormatMode) { return std::string(kHelp); });
}

Status read_times(const CLI::App& app, const Words& words, Options& options) {
  const auto duration = parse_duration(words.duration);
  RUNWIRE_TRY(duration);
  const auto warmup = parse_duration(words.warmup);
  RUNWIRE_TRY(warmup);
  const auto timeout = parse_duration(words.timeout);
  RUNWIRE_TRY(timeout);
  if (*timeout == 0) return misuse("--timeout must be longer than nothing");
  if (*duration == 0) return misuse("--duration must be longer than nothing");
  const bool only_counted = app.count("--commands") != 0 && app.count("--duration") == 0;
  options.extent.duration = only_counted ? 0 : *duration;
  options.warmup = *warmup;
  options.plan.timeout = *timeout;
  return Ok{};
}

Status read_command(const Words& words, Options& options) {
  if (!words.command.empty() && !words.command_words.empty())
    return misuse("the command is given twice: after HOST and by --command");
  std::string command = words.command;
  for (const std::string& word : words.command_words) command += (command.empty() ? "" : " ") + word;
  if (command.starts_with('-'))
    return misuse("'" + command + "' after HOST would be the command: put options before HOST");
  if (!command.empty()) options.command = command;
  return check_shell_line(options.command);
}

constexpr std::uint64_t kBulkBytes = std::uint64_t{1} << 30;
constexpr std::uint64_t kLineBytes = 64;
constexpr std::uint32_t kMuxCommands = 100;
constexpr std::uint32_t kIdleSessions = 1000;

// What stays unsaid on the command line depends on the scenario.
void fill_in_defaults(const CLI::App& app, Options& options) {
  const Scenario scenario = options.scenario;
  const bool is_bulk = scenario == Scenario::stream || scenario == Scenario::feed;
  if (app.count("--bytes") == 0) options.bytes = is_bulk ? kBulkBytes : kLineBytes;
  if (app.count("--rate") != 0 && app.count("--connections") == 0) options.plan.connections = 256;
  if (app.count("--connections") == 0) {
    if (is_bulk || scenario == Scenario::echo) options.plan.connections = 1;
    if (scenario == Scenario::mux) options.plan.connections = kMuxCommands;
  }
  if (is_bulk && app.count("--warmup") == 0) options.warmup = 0;
  if (is_bulk && app.count("--duration") == 0 && app.count("--commands") == 0) options.extent = {1, 0};
  if (scenario == Scenario::mux && app.count("--sessions") == 0) options.plan.sessions = 1;
  if (scenario == Scenario::many_idle && app.count("--idle") == 0) options.idle = kIdleSessions;
  if (scenario == Scenario::stream) options.reply = ReplyForm::stream;
  if (scenario != Scenario::plain) options.plan.idle_sessions = options.idle;
  options.plan.endless = is_bulk && options.bytes == kEndless;
}

Status check_session_options(const CLI::App& app, const Options& options) {
  const std::string name(name_of(options.scenario));
  const bool is_plain = options.scenario == Scenario::plain;
  for (const char* option : {"--sessions", "--reply", "--bytes", "--window"})
    if (is_plain && app.count(option) != 0)
      return misuse(std::string(option) + " is about sessions: name another --scenario than plain");
  if (options.plan.sessions > options.plan.connections)
    return misuse("--sessions: there are more of them than commands at a time; see -c");
  if (options.plan.new_connections && options.plan.sessions != 0 &&
      options.plan.sessions < options.plan.connections)
    return misuse("--new-connection: commands that share a session cannot have a new one each");
  if (options.plan.endless && options.extent.duration == 0)
    return misuse("--bytes 0: without an end it needs a time; see --duration");
  if (options.scenario == Scenario::echo && options.bytes == 0)
    return misuse("--bytes: a line has at least one");
  if (takes_a_command(options.scenario)) return Ok{};
  for (const char* option :
       {"--command", "COMMAND", "--expect", "--expect-file", "--expect-status", "--reply"})
    if (app.count(option) != 0)
      return misuse(std::string(option) + ": the scenario '" + name + "' brings its own");
  return Ok{};
}

Status read_scenario(const CLI::App& app, const Words& words, Options& options) {
  const auto scenario = scenario_named(words.scenario);
  if (!scenario)
    return misuse("--scenario: '" + words.scenario +
                  "' is none of plain, spawn, stream, stdin, echo, many-idle, mux");
  options.scenario = *scenario;
  if (words.reply == "stream") options.reply = ReplyForm::stream;
  fill_in_defaults(app, options);
  RUNWIRE_TRY(check_session_options(app, options));
  if (!takes_a_command(*scenario)) options.command = own_command(*scenario, options.bytes);
  return Ok{};
}

Status read_expectation(const CLI::App& app, const Words& words, Options& options) {
  if (app.count("--expect") != 0) options.expected_payload = words.expect;
  if (app.count("--expect-file") != 0) {
    options.expected_payload = read_text_file(words.expect_file);
    if (!options.expected_payload) return misuse("--expect-file: '" + words.expect_file + "' cannot be read");
  }
  if (app.count("--expect-status") != 0)
    options.expected_status = words.expect_status > 128 ? ExitStatus::killed(words.expect_status - 128)
                                                        : ExitStatus::exited(words.expect_status);
  return Ok{};
}

Status read_address(const Words& words, std::string_view xdg_runtime_dir, Options& options) {
  if (words.host.empty()) {
    options.address.unix_path = default_socket_path(xdg_runtime_dir, ::getuid());
    return Ok{};
  }
  const auto address = parse_address(words.host, kDefaultPort);
  RUNWIRE_TRY(address);
  options.address = *address;
  return Ok{};
}

Result<Options> interpret(const CLI::App& app, const Words& words, std::string_view xdg_runtime_dir,
                          Options options) {
  RUNWIRE_TRY(read_times(app, words, options));
  RUNWIRE_TRY(read_command(words, options));
  RUNWIRE_TRY(read_expectation(app, words, options));
  RUNWIRE_TRY(read_address(words, xdg_runtime_dir, options));
  if (app.count("--rate") != 0) {
    const Spacing spacing = words.spacing == "fixed" ? Spacing::fixed : Spacing::poisson;
    options.plan.open_loop = OpenLoop{words.rate, spacing};
  }
  RUNWIRE_TRY(read_scenario(app, words, options));
  if (options.json_path == "-" && options.csv_path == "-")
    return misuse("--json and --csv cannot both go to stdout: name a file for one of them");
  return options;
}

}  // namespace

std::variant<Options, EarlyExit> parse_options(int argc, const char* const* argv,
                                               std::string_view xdg_runtime_dir) {
  const auto refuse = [](const std::string& why) {
    return EarlyExit{kExitTrouble, "runwire-bench: " + why + "\nTry 'runwire-bench --help'.\n"};
  };
  CLI::App app;
  Words words;
  Options options;
  describe_load(app, words, options);
  describe_sessions(app, words, options);
  describe_the_rest(app, words, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return EarlyExit{0, kHelp};
  } catch (const CLI::CallForVersion&) {
    return EarlyExit{0, bench_build() + "\n"};
  } catch (const CLI::ParseError& error) {
    return refuse(error.what());
  }
  auto interpreted = interpret(app, words, xdg_runtime_dir, std::move(options));
  if (!interpreted) return refuse(interpreted.error().message);
  return std::move(*interpreted);
}

}  // namespace runwire
