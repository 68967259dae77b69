#include "server/options.hpp"

#include <uv.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <utility>

#include "proto/limit_words.hpp"
#include "proto/limits.hpp"
#include "server/spill_file.hpp"
#include "server/version.hpp"

namespace runwire {
namespace {

constexpr const char* kHelp = R"(runwired - run shell commands for clients on this machine

Examples:
  runwired                                   127.0.0.1:8098 and the user's Unix socket
  runwired --listen 127.0.0.1:0              any free port; it is printed
  runwired --listen unix:/run/user/1000/x.sock --max-running 8

Where:
  --listen ADDR          host:port, [::1]:port or unix:/path; repeatable. TCP on loopback only.
  --plain POLICY         own-user: this user's processes and root's (default)
                         any-local: also peers whose owner is unknown or another; for loopback TCP
How commands run:
  --shell PATH           run as PATH -c COMMAND (default /bin/sh)
  --spawner WHICH        uv: libuv's; native: Linux's own, faster; auto: the best there is (default)
  --direct WHEN          auto: plain words run without a shell where that makes no difference (default); never
  --lead WHAT            session: each leads one of its own (default); group: only a process group, faster
  --cwd DIR              in this directory (default: the one runwired is started in)
  --max-running N        so many at once, the rest wait (default 1000)
  --max-queued N         so many may wait, more are told "busy" (default 10000)
  --max-output BYTES     of one command; K, M, G are understood; more ends it (default 4G)
  --limit NAME=MAX,...   no command gets more of: cpu (seconds), as, fsize, core (bytes; K, M, G are
                         understood), nofile, nproc; repeatable (default: what runwired has)
  --spill-dir DIR        for output beyond 1 MiB a stream (default $TMPDIR, else /var/tmp)
Commands that outlive their connection:
  --max-keep DUR         their outcome stays so long, at most: 90, 30m, 24h or 7d (default 24h)
  --max-kept N           so many, running and over; more are told "busy" (default 16384)
  --spill-space BYTES    for their output that does not fit into memory (default 8G)
  --cgroup WHEN          auto: each in a control group of its own, if cgroup v2 is to be had (default); never
  --follower-timeout SEC a client that others have to wait for so long is let go (default 30; 0: never)
The daemon:
  --max-connections N    (default 20000, less where RLIMIT_NOFILE is small)
  --drain-timeout SEC    on SIGTERM running commands may go on so long (default 10)
  --keepalive SEC        a session whose client is silent for so long asks whether it is there, and ends
                         after three such times without an answer (default 15; 0: never)
  --log-level LEVEL      error, warn, info or debug; to stderr (default info)
  --upgrade              make the runwired at that Unix socket go on as the program now in its place; wait
  -h, --help             this text
  --version              version and build

Commands run as the user who runs runwired; only that user and root may send them.
)";

bool is_directory(const std::string& path) {
  uv_fs_t request;
  const int error = uv_fs_stat(nullptr, &request, path.c_str(), nullptr);
  const bool directory = error == 0 && (request.statbuf.st_mode & S_IFMT) == S_IFDIR;
  uv_fs_req_cleanup(&request);
  return directory;
}

std::string current_directory() {
  std::string path(4096, '\0');
  std::size_t size = path.size();
  if (uv_cwd(path.data(), &size) != 0) return "/";
  path.resize(size);
  return path;
}

// The raw words; checked and turned into Options once all are there.
struct Words {
  std::vector<std::string> listen, limits;
  double drain_timeout_seconds = 10;
  double keepalive_seconds = 15;
  double follower_timeout_seconds = 30;
  double max_keep_seconds = 24 * 3600;
};

// CLI11 would take the numbers that stand for the words, too, and name these beside them.
template <class Value> CLI::Validator word_of(const std::map<std::string, Value>& values) {
  return CLI::Validator(
      [values](std::string& word) {
        const auto found = values.find(word);
        std::string all;
        for (const auto& [name, value] : values) all += (all.empty() ? "" : ", ") + name;
        if (found == values.end()) return "'" + word + "' is none of: " + all;
        word = std::to_string(static_cast<int>(found->second));
        return std::string();
      },
      "");
}

void declare_kept(CLI::App& app, Options& options, Words& words) {
  const std::map<std::string, double> units{{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
  app.add_option("--max-keep", words.max_keep_seconds)
      ->check(CLI::Range(0.0, 365 * 86400.0))
      ->transform(CLI::AsNumberWithUnit(units));
  const std::map<std::string, bool> cgroups{{"auto", true}, {"never", false}};
  app.add_option("--cgroup", options.cgroups)->transform(word_of(cgroups));
  app.add_option("--max-kept", options.max_kept)->check(CLI::Range(0, 1000000));
  app.add_option("--follower-timeout", words.follower_timeout_seconds)->check(CLI::Range(0.0, 86400.0));
}

void declare(CLI::App& app, Options& options, Words& words) {
  app.set_help_flag();
  app.add_flag("-h,--help");
  app.add_flag("--version");
  app.add_flag("--upgrade", options.upgrades);
  app.add_option("--listen", words.listen)->allow_extra_args(false);
  const std::map<std::string, PlainPolicy> policies{{"own-user", PlainPolicy::own_user},
                                                    {"any-local", PlainPolicy::any_local}};
  app.add_option("--plain", options.plain)->transform(word_of(policies));
  app.add_option("--shell", options.shell);
  const std::map<std::string, SpawnerChoice> spawners{
      {"auto", SpawnerChoice::automatic}, {"uv", SpawnerChoice::uv}, {"native", SpawnerChoice::native}};
  app.add_option("--spawner", options.spawner)->transform(word_of(spawners));
  const std::map<std::string, bool> direct{{"auto", true}, {"never", false}};
  app.add_option("--direct", options.direct)->transform(word_of(direct));
  const std::map<std::string, bool> leads{{"session", true}, {"group", false}};
  app.add_option("--lead", options.leads_session)->transform(word_of(leads));
  app.add_option("--cwd", options.cwd);
  app.add_option("--max-running", options.max_running)->check(CLI::Range(1, 1000000));
  app.add_option("--max-queued", options.max_queued)->check(CLI::Range(0, 10000000));
  // CLI11 would read -5 as 2^64 - 5. What is added last is asked first.
  const CLI::Validator not_negative(
      [](std::string& text) { return text.starts_with('-') ? "must not be negative" : ""; }, "");
  app.add_option("--max-output", options.max_output_bytes)
      ->transform(CLI::AsSizeValue(false))
      ->transform(not_negative);
  app.add_option("--limit", words.limits)->allow_extra_args(false);
  app.add_option("--spill-dir", options.spill_dir);
  app.add_option("--spill-space", options.spill_space_bytes)
      ->transform(CLI::AsSizeValue(false))
      ->transform(not_negative);
  declare_kept(app, options, words);
  app.add_option("--max-connections", options.max_connections)->check(CLI::Range(1, 1000000));
  app.add_option("--drain-timeout", words.drain_timeout_seconds)->check(CLI::Range(0.0, 86400.0));
  app.add_option("--keepalive", words.keepalive_seconds)->check(CLI::Range(0.0, 86400.0));
  const std::map<std::string, log::Level> levels{{"error", log::Level::error},
                                                 {"warn", log::Level::warn},
                                                 {"info", log::Level::info},
                                                 {"debug", log::Level::debug}};
  app.add_option("--log-level", options.log_level)->transform(word_of(levels));
}

Status complete(Options& options, const Words& words) {
  for (const std::string& word : words.listen) {
    auto address = parse_address(word, kDefaultPort);
    RUNWIRE_TRY(address);
    options.listen.push_back(std::move(*address));
  }
  for (const std::string& limits : words.limits) {
    const Status read = read_limit_words(limits, options.caps);
    if (!read) return Error{Errc::invalid_argument, "--limit: " + read.error().message};
  }
  options.drain_timeout_ms = static_cast<unsigned>(words.drain_timeout_seconds * 1000);
  options.max_keep_ms = static_cast<std::uint64_t>(words.max_keep_seconds * 1000);
  options.follower_timeout_ms = static_cast<unsigned>(words.follower_timeout_seconds * 1000);
  options.ping_ms = static_cast<unsigned>(words.keepalive_seconds * 1000);
  if (options.cwd.empty()) options.cwd = current_directory();
  if (options.spill_dir.empty()) options.spill_dir = default_spill_dir();
  for (const auto& [option, dir] :
       {std::pair("--cwd", options.cwd), std::pair("--spill-dir", options.spill_dir)})
    if (!is_directory(dir))
      return Error{Errc::invalid_argument,
                   std::string(option) + ": " + dir + " is not a directory; name one that is"};
  return Ok{};
}

Invocation usage_error(const std::string& message) {
  std::fprintf(stderr, "runwired: %s\nrunwired: see runwired --help\n", message.c_str());
  return {std::nullopt, kExitUsage};
}

}  // namespace

Invocation parse_command_line(int argc, char** argv) {
  Options options;
  Words words;
  CLI::App app;
  declare(app, options, words);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return usage_error(error.what());
  }
  if (app.count("--help") > 0) return std::fputs(kHelp, stdout), Invocation{};
  if (app.count("--version") > 0) return std::puts(version_line().c_str()), Invocation{};
  if (const Status status = complete(options, words); !status) return usage_error(status.error().message);
  return {std::move(options), 0};
}

}  // namespace runwire
