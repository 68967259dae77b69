#include "client/cli.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <iterator>
#include <span>

#include "client/shell_line.hpp"
#include "proto/limits.hpp"

namespace runwire {
namespace {

constexpr std::string_view kDefaultHostWord = ".";
constexpr double kMaxConnectSeconds = 86400;

struct Flags {
  bool verbose = false, quiet = false, help = false, version = false, plain = false;
  double connect_seconds = 5;
  std::string encoding;
};

void declare(CLI::App& app, Flags& flags) {
  app.set_help_flag();  // ours is text of our own
  app.add_flag("-h,--help", flags.help);
  app.add_flag("--version", flags.version);
  auto* verbose = app.add_flag("-v,--verbose", flags.verbose);
  app.add_flag("-q,--quiet", flags.quiet)->excludes(verbose);
  app.add_flag("--plain", flags.plain);
  app.add_option("--encoding", flags.encoding);
  app.add_option("--connect-timeout", flags.connect_seconds);
}

bool takes_a_value(const CLI::App& app, const std::string& word) {
  const CLI::Option* option = app.get_option_no_throw(word);
  return option != nullptr && option->get_items_expected_max() > 0;
}

// The place of the first word that is neither an option nor an option's value: of HOST. CLI11 is not shown what
// comes from there on, because it would read it: `[a,b]` as two words, a `--` as its own.
std::size_t first_plain_word(const CLI::App& app, const std::vector<std::string>& words) {
  std::size_t i = 0;
  while (i < words.size() && words[i].starts_with('-') && words[i] != "-" && words[i] != "--")
    i += takes_a_value(app, words[i]) ? 2 : 1;
  return std::min(i, words.size());
}

Error usage_error(std::string why) {
  return {Errc::invalid_argument, std::move(why) + "; `runwire --help` shows the usage"};
}

Result<Flags> parse_flags(CLI::App& app, Flags& flags, std::span<const std::string> words) {
  try {
    app.parse(
        std::vector<std::string>(words.rbegin(), words.rend()));  // CLI11 takes its vector from the back
  } catch (const CLI::Error& error) {
    return usage_error(error.what());
  }
  const bool possible = flags.connect_seconds > 0 && flags.connect_seconds <= kMaxConnectSeconds;
  if (!possible) return usage_error("--connect-timeout must be seconds, more than 0 and at most 86400");
  return flags;
}

// `.` and nothing mean the default; so a command can be given to that, too.
Status choose_server(std::string_view word, const Environment& environment, RemoteShell::Options& options) {
  const bool named = !word.empty() && word != kDefaultHostWord;
  if (!named && environment.runwire_host.empty()) {
    options.address = {default_socket_path(environment.xdg_runtime_dir, environment.uid), "", 0};
    options.own_server_only = true;
    return Ok{};
  }
  const auto address = parse_address(named ? word : environment.runwire_host, kDefaultPort);
  if (!address && named)
    return Error{address.error().code,
                 address.error().message + "; the first word is HOST, `.` is the default one"};
  if (!address) return Error{address.error().code, "RUNWIRE_HOST: " + address.error().message};
  options.address = *address;
  return Ok{};
}

Result<Invocation> ask_for(Invocation invocation, std::span<const std::string> words) {
  const RemoteShell::Options& options = invocation.options;
  CommandRequest& request = invocation.request;
  request.address = options.address;
  request.own_server_only = options.own_server_only;
  request.connect_timeout = options.connect_timeout;
  request.encoding = options.encoding;
  request.verbose = options.verbose;
  request.quiet = options.quiet;
  request.shell = words.size() == 1;
  if (!request.shell) {
    request.words.argv.assign(words.begin(), words.end());
    return invocation;
  }
  request.words.line = words[0];
  RUNWIRE_TRY(check_shell_line(words[0]));
  return invocation;
}

Result<Invocation> parse_plain_words(Invocation invocation, std::span<const std::string> words,
                                     const Environment& environment) {
  if (!words.empty() && words[0] == "--") words = words.subspan(1);
  RUNWIRE_TRY(choose_server(words.empty() ? "" : words[0], environment, invocation.options));
  if (!words.empty()) words = words.subspan(1);
  if (!words.empty() && words[0] == "--") words = words.subspan(1);
  if (words.empty()) return invocation;
  invocation.task = Invocation::run_line;
  if (!invocation.plain) return ask_for(std::move(invocation), words);
  invocation.line = shell_line(words);
  RUNWIRE_TRY(check_shell_line(invocation.line));
  return invocation;
}

}  // namespace

Result<Invocation> parse_command_line(const std::vector<std::string>& words, const Environment& environment) {
  CLI::App app;
  Flags flags;
  declare(app, flags);
  const std::span<const std::string> all(words);
  const std::size_t host = first_plain_word(app, words);
  const auto parsed = parse_flags(app, flags, all.first(host));
  RUNWIRE_TRY(parsed);
  Invocation invocation;
  invocation.plain = flags.plain;
  invocation.options.connect_timeout =
      std::chrono::milliseconds(std::llround(std::ceil(flags.connect_seconds * 1000)));
  invocation.options.encoding = flags.encoding;
  invocation.options.verbose = invocation.options.says_status = flags.verbose;
  invocation.options.quiet = flags.quiet;
  if (flags.help || flags.version) {
    invocation.task = flags.help ? Invocation::help : Invocation::version;
    return invocation;
  }
  return parse_plain_words(std::move(invocation), all.subspan(host), environment);
}

std::string_view help_text() {
  return R"(Runs commands on a machine where runwired listens.

  runwire                                  a prompt on this machine's own runwired
  runwire 127.0.0.1:8098 'ls -l | wc -l'   one line for the shell there
  runwire unix:/run/x.sock grep -c 'a b' f one program and its arguments, as they are

Usage: runwire [OPTIONS] [HOST [COMMAND [ARG...]]]

  HOST     host, host:port, [::1]:port or unix:/path; the port is 8098 unless given.
           Without HOST, or with `.`: $RUNWIRE_HOST, else runwire.sock in
           $XDG_RUNTIME_DIR, else /tmp/runwire-UID/runwire.sock
  COMMAND  one word is a line for the server's shell; several are a program and its
           arguments, quoted so that they arrive as they are. A `--` before it is
           dropped. Without COMMAND: a prompt, or a command on each line of stdin.

  -v, --verbose               show reply headers, connections and exit statuses
  -q, --quiet                 show failures only
  --encoding NAME             the programs there speak NAME (GBK, ...): convert their
                              output to the terminal's encoding, and commands from it
  --connect-timeout SECONDS   how long connecting may take (5)
  --version                   show the version
  -h, --help                  show this

At the prompt: Ctrl-C forgets the line or ends the running command, Ctrl-D leaves.

Exit status: the command's; 128+n if signal n killed it; 255 if runwire failed (no
connection, no whole reply, an error from the server, wrong usage). A server of the
original protocol tells no status: a whole reply is 0.
)";
}

}  // namespace runwire
