#include "client/cli.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <optional>
#include <span>
#include <utility>

#include "client/destination.hpp"
#include "client/job_cli.hpp"
#include "client/option_words.hpp"
#include "client/shell_line.hpp"
#include "client/timespan.hpp"
#include "proto/limit_words.hpp"
#include "proto/limits.hpp"

namespace runwire {
namespace {

constexpr std::chrono::milliseconds kConnectTimeout{5000};
constexpr std::string_view kLoginShell = R"(exec "${SHELL:-/bin/sh}" -l)";

// The options as they were given; absent: not given.
struct Flags {
  bool help = false, version = false, verbose = false, quiet = false, json = false;
  bool plain = false, clear_env = false, no_stdin = false, no_terminal = false, detach = false;
  int terminal = 0;  // how often
  std::vector<std::string> variables, limits;
  std::optional<std::string> workdir, connect_timeout, timeout, idle_timeout, linger, status_file, encoding;
  std::optional<std::string> nice, umask, keep;
};

void declare_session_options(CLI::App& app, Flags& flags) {
  app.add_option("-e,--env", flags.variables)->allow_extra_args(false);
  app.add_flag("--clear-env", flags.clear_env);
  app.add_option("-w,--workdir", flags.workdir);
  app.add_flag("-n,--no-stdin", flags.no_stdin);
  app.add_flag("-t", flags.terminal);
  app.add_flag("-T", flags.no_terminal);
  app.add_option("--timeout", flags.timeout);
  app.add_option("--idle-timeout", flags.idle_timeout);
  app.add_option("--linger", flags.linger);
  app.add_option("--limit", flags.limits)->allow_extra_args(false);
  app.add_option("--nice", flags.nice);
  app.add_option("--umask", flags.umask);
  app.add_option("--status-file", flags.status_file);
  app.add_flag("--json", flags.json);
  app.add_flag("-d,--detach", flags.detach);
  app.add_flag("--keep{1h}", flags.keep);
}

void declare(CLI::App& app, Flags& flags) {
  app.set_help_flag();  // ours is text of our own
  app.add_flag("-h,--help", flags.help);
  app.add_flag("--version", flags.version);
  auto* verbose = app.add_flag("-v,--verbose", flags.verbose);
  app.add_flag("-q,--quiet", flags.quiet)->excludes(verbose);
  app.add_flag("--plain", flags.plain);
  app.add_option("--encoding", flags.encoding);
  app.add_option("--connect-timeout", flags.connect_timeout);
  declare_session_options(app, flags);
}

// The place of the first word that is neither an option nor an option's value: of HOST. CLI11 is not shown what
// comes from there on, because it would read it: `[a,b]` as two words, a `--` as its own.
std::size_t first_plain_word(const CLI::App& app, const std::vector<std::string>& words) {
  std::size_t i = 0;
  while (i < words.size() && words[i].starts_with('-') && words[i] != "-" && words[i] != "--")
    i += takes_the_next_word(app, words[i]) ? 2 : 1;
  return std::min(i, words.size());
}

// What --plain cannot do is said rather than left out.
Status check_plain(const Flags& flags, const Destination& destination) {
  const std::pair<std::string_view, bool> options[] = {
      {"--env", !flags.variables.empty()},
      {"--clear-env", flags.clear_env},
      {"--workdir", flags.workdir.has_value()},
      {"--timeout", flags.timeout.has_value()},
      {"--idle-timeout", flags.idle_timeout.has_value()},
      {"-t", flags.terminal > 0 && !flags.no_terminal},
      {"--linger", flags.linger.has_value()},
      {"--limit", !flags.limits.empty()},
      {"--nice", flags.nice.has_value()},
      {"--umask", flags.umask.has_value()},
      {"--status-file", flags.status_file.has_value()},
      {"--json", flags.json},
      {"--detach", flags.detach},
      {"--keep", flags.keep.has_value()},
      {"workdir of hosts.toml", !destination.entry.workdir.empty()},
      {"env of hosts.toml", !destination.entry.environment.empty()},
      {"linger of hosts.toml", destination.entry.linger.has_value()},
  };
  for (const auto& [name, is_given] : options)
    if (is_given)
      return usage_error(std::string(name) + " needs a session, which --plain is not; leave one of them out");
  return Ok{};
}

Result<std::optional<std::uint64_t>> read_limit(std::string_view option,
                                                const std::optional<std::string>& text) {
  if (!text) return std::optional<std::uint64_t>();
  const auto span = parse_timespan(*text);
  if (!span) return usage_error(std::string(option) + ": " + span.error().message);
  if (span->count() == 0) return std::optional<std::uint64_t>();  // none, as timeout(1) has it
  return std::optional(static_cast<std::uint64_t>(span->count()));
}

Status read_times(const Flags& flags, CommandRequest& request) {
  const auto timeout = read_limit("--timeout", flags.timeout);
  RUNWIRE_TRY(timeout);
  request.timeout_ms = *timeout;
  const auto idle = read_limit("--idle-timeout", flags.idle_timeout);
  RUNWIRE_TRY(idle);
  request.idle_ms = *idle;
  if (!flags.connect_timeout) return Ok{};
  const auto span = read_connect_timeout(*flags.connect_timeout);
  RUNWIRE_TRY(span);
  request.connect_timeout = *span;
  return Ok{};
}

// All of `text` as a number from `least` to `most`.
std::optional<int> number_of(const std::string& text, int base, int least, int most) {
  int number = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number, base);
  const bool is_number = read.ec == std::errc() && read.ptr == end;
  return is_number && number >= least && number <= most ? std::optional(number) : std::nullopt;
}

Status read_limits(const Flags& flags, CommandLimits& limits) {
  for (const std::string& words : flags.limits) {
    const Status read = read_limit_words(words, limits);
    if (!read) return usage_error("--limit: " + read.error().message);
  }
  if (flags.nice) limits.nice = number_of(*flags.nice, 10, -20, 19);
  if (flags.nice && !limits.nice) return usage_error("--nice must be a number from -20 to 19");
  const auto umask = number_of(flags.umask.value_or(""), 8, 0, 0777);
  if (flags.umask && !umask) return usage_error("--umask must be an octal number from 0 to 777");
  if (umask) limits.umask = static_cast<std::uint32_t>(*umask);
  return Ok{};
}

// Who leaves it alone is told nothing more of it.
Status read_keeping(const Flags& flags, CommandRequest& request) {
  const auto keep = read_limit("--keep", flags.keep);
  RUNWIRE_TRY(keep);
  if (flags.keep && !*keep)
    return usage_error("--keep must be more than 0: write 10m, 1h or 1d, or leave it out");
  request.keep_ms = *keep;
  request.detaches = flags.detach;
  if (!flags.detach) return Ok{};
  if (flags.json || flags.status_file)
    return usage_error(
        std::string(flags.json ? "--json" : "--status-file") +
        " tells how the command ended, which --detach does not wait for; `runwire attach` has it");
  if (!request.keep_ms) request.keep_ms = std::chrono::milliseconds(kUsualKeep).count();
  return Ok{};
}

// NAME alone is taken from our environment, and left out where it is not set there either, as docker does.
Status read_variables(const Flags& flags, const Environment& environment, CommandRequest& request) {
  for (const std::string& variable : flags.variables) {
    const std::string name = variable.substr(0, variable.find('='));
    if (name.empty()) return usage_error("--env: '" + variable + "' has no name; write NAME=VALUE or NAME");
    const auto ours = find_variable(environment.variables, name);
    if (name != variable)
      set_variable(request.words.environment, variable);
    else if (ours)
      set_variable(request.words.environment, name + "=" + std::string(*ours));
  }
  return Ok{};
}

TerminalWish terminal_wish(const Flags& flags) {
  if (flags.terminal == 0 || flags.no_terminal) return TerminalWish::never;
  return flags.terminal > 1 ? TerminalWish::always : TerminalWish::as_here;
}

Status read_flags(const Flags& flags, const Environment& environment, CommandRequest& request) {
  RUNWIRE_TRY(read_times(flags, request));
  RUNWIRE_TRY(read_keeping(flags, request));
  RUNWIRE_TRY(read_variables(flags, environment, request));
  RUNWIRE_TRY(read_limits(flags, request.limits));
  if (flags.workdir && flags.workdir->empty()) return usage_error("--workdir must name a directory there");
  if (flags.status_file && flags.status_file->empty()) return usage_error("--status-file must name a file");
  const auto linger = linger_named(flags.linger.value_or(std::string(name_of(request.linger))));
  if (!linger) return usage_error("--linger must be grace, wait or return");
  request.linger = *linger;
  request.cwd = flags.workdir.value_or(request.cwd);
  request.status_file = flags.status_file.value_or("");
  request.encoding = flags.encoding.value_or("");
  request.clear_env = flags.clear_env;
  request.terminal = terminal_wish(flags);
  const bool is_for_nobody = flags.detach && request.terminal == TerminalWish::never;
  request.forwards_stdin = !flags.no_stdin && !is_for_nobody;
  request.json = flags.json;
  request.verbose = flags.verbose;
  request.quiet = flags.quiet;
  return Ok{};
}

// One word is a line for the shell; several are a program and its arguments. The original protocol knows lines only.
Status read_command(std::span<const std::string> words, Invocation& invocation) {
  CommandRequest& request = invocation.request;
  const bool program_may_begin_with_a_dash = words[0] == "--";
  if (program_may_begin_with_a_dash) words = words.subspan(1);
  if (words.empty()) return Ok{};
  if (words[0].starts_with('-') && !program_may_begin_with_a_dash)
    return usage_error("'" + words[0] +
                       "' stands after HOST; options stand before it, and a command that begins with "
                       "'-' behind a `--`");
  invocation.task = Invocation::run_line;
  request.shell = invocation.plain || words.size() == 1;
  if (request.shell)
    request.words.line = shell_line(words);
  else
    request.words.argv.assign(words.begin(), words.end());
  return check_words(request);
}

void ask_for_login(Invocation& invocation) {
  invocation.task = Invocation::run_line;
  invocation.request.shell = true;
  invocation.request.words.line = kLoginShell;
}

Result<Invocation> read_prompt(const Flags& flags, Invocation invocation) {
  const std::pair<const char*, bool> options[] = {{"--json", flags.json},
                                                  {"--status-file", flags.status_file.has_value()},
                                                  {"--detach", flags.detach},
                                                  {"--keep", flags.keep.has_value()}};
  for (const auto& [name, is_given] : options)
    if (is_given) return usage_error(std::string(name) + " is about one command; give it a COMMAND");
  invocation.request.forwards_stdin = false;  // the lines of stdin are the commands
  return invocation;
}

// A time behind a blank is taken for HOST.
std::string hint_at_keep(const Flags& flags, std::string_view host) {
  if (!flags.keep || !parse_timespan(host)) return "";
  return "; if '" + std::string(host) +
         "' is how long to keep the command, write --keep=" + std::string(host);
}

Result<Invocation> read_request(const Flags& flags, std::span<const std::string> words,
                                const Environment& environment) {
  if (!words.empty() && words[0] == "--") words = words.subspan(1);
  Invocation invocation;
  invocation.plain = flags.plain;
  invocation.request.connect_timeout = kConnectTimeout;
  if (!words.empty()) invocation.request.host = words[0];
  const auto destination = find_destination(words.empty() ? "" : words[0], kDefaultPort, environment);
  RUNWIRE_TRY(destination);
  if (flags.plain) RUNWIRE_TRY(check_plain(flags, *destination));
  set_destination(invocation.request, *destination);
  invocation.request.address_hint += hint_at_keep(flags, invocation.request.host);
  RUNWIRE_TRY(read_flags(flags, environment, invocation.request));
  if (words.size() > 1) RUNWIRE_TRY(read_command(words.subspan(1), invocation));
  if (invocation.task == Invocation::prompt && invocation.request.terminal != TerminalWish::never)
    ask_for_login(invocation);
  if (invocation.task == Invocation::prompt) return read_prompt(flags, std::move(invocation));
  return invocation;
}

}  // namespace

Result<Invocation> parse_command_line(const std::vector<std::string>& words, const Environment& environment) {
  CLI::App app;
  Flags flags;
  declare(app, flags);
  const std::span<const std::string> all(words);
  const std::size_t host = first_plain_word(app, words);
  const auto verb = host < words.size() ? job_verb_named(words[host]) : std::nullopt;
  if (verb) return parse_job_verb(*verb, all.first(host), all.subspan(host + 1), environment);
  RUNWIRE_TRY(parse_options(app, all.first(host)));
  if (!flags.help && !flags.version) return read_request(flags, all.subspan(host), environment);
  Invocation invocation;
  invocation.task = flags.help ? Invocation::help : Invocation::version;
  return invocation;
}

RemoteShell::Options plain_options(const CommandRequest& request) {
  RemoteShell::Options options;
  options.address = request.address;
  options.own_server_only = request.own_server_only;
  options.address_hint = request.address_hint;
  options.connect_timeout = request.connect_timeout;
  options.encoding = request.encoding;
  options.verbose = options.says_status = request.verbose;
  options.quiet = request.quiet;
  return options;
}

std::string_view help_text() {
  return R"(Runs commands on a machine where runwired listens.

  runwire 127.0.0.1:8098 'ls | wc -l'    one line for the shell there
  runwire -w /src build1 grep 'a b' f    one program and its arguments
  runwire                                a prompt on this machine's own runwired

Usage: runwire [OPTIONS] [HOST [COMMAND [ARG...]]]
       runwire ps|attach|wait|logs|kill|rm ...  for those kept: `runwire ps -h`

  HOST     host, host:port, [::1]:port, unix:/path, or a name that hosts.toml
           in $XDG_CONFIG_HOME/runwire (~/.config/runwire) has; the port
           is 8098 unless given. Without HOST, or with `.`: $RUNWIRE_HOST, else
           $XDG_RUNTIME_DIR/runwire.sock, else /tmp/runwire-UID/runwire.sock
  COMMAND  one word is a line for the server's shell; several, a program and its
           arguments. A `--` before it is dropped. None: prompt; with -t, shell

  -e, --env NAME=VALUE        one more variable; NAME alone: as it is here (no)
  --clear-env                 no variables but these (all that runwired has)
  -w, --workdir DIR           where the command runs (runwired's directory)
  -n, --no-stdin              its stdin is /dev/null (it is ours)
  -t, -tt, -T                 at a terminal if stdin is one; always; never (-T)
  --timeout DURATION          end it after 500ms, 10s, 2m, 1h; 5 is 5s (never)
  --idle-timeout DURATION     end it after so long without output (never)
  --linger grace|wait|return  when it ended and another holds its output open:
                              up to 1s more, all of it, no more (grace)
  --limit NAME=MAX,...        of cpu, as, nofile, nproc, fsize, core (as there)
  --nice N, --umask OCTAL     its niceness, -20 to 19; its umask (as there)
  -d, --detach                start it, print its ID and leave it running (no)
  --keep[=DURATION]           it outlives a lost connection; kept so long (1h)
  --status-file PATH          write there as a JSON line how it ended (nowhere)
  --json                      output, too, as JSON lines on stdout (as bytes)
  --plain                     the original protocol: output at the end, no stdin
  --encoding NAME             programs there speak NAME (GBK): convert all (no)
  --connect-timeout DURATION  how long connecting may take (5s)
  -v, --verbose; -q, --quiet  tell how it went; failures only (what matters)
  --version; -h, --help       show the version; this

Signals go to the command; the third INT or TERM in a row ends the connection.
Exit status: the command's; 128+n if signal n killed it; 127 no such program,
126 not to be run; 124 if it took too long; 255 if runwire itself failed.
)";
}

}  // namespace runwire
