#include "client/job_cli.hpp"

#include <CLI/CLI.hpp>
#include <utility>
#include <vector>

#include "client/destination.hpp"
#include "client/option_words.hpp"
#include "proto/exit_status.hpp"
#include "proto/limits.hpp"

namespace runwire {
namespace {

constexpr std::chrono::milliseconds kConnectTimeout{5000};
constexpr std::string_view kHelp = "runwire ps -h";
constexpr std::size_t kMostIds = 16384;
constexpr std::size_t kLongestId = 64;
constexpr int kLastSignal = 64;

constexpr std::pair<std::string_view, JobVerb> kVerbs[] = {
    {"attach", JobVerb::attach}, {"ps", JobVerb::ps},     {"wait", JobVerb::wait},
    {"logs", JobVerb::logs},     {"kill", JobVerb::kill}, {"rm", JobVerb::rm}};

std::string_view name_of(JobVerb verb) {
  for (const auto& [name, each] : kVerbs)
    if (each == verb) return name;
  return "";
}

struct Flags {
  bool help = false, verbose = false, quiet = false, json = false;
  bool input = false, terminal = false, tail = false, follow = false;
  std::optional<std::string> connect_timeout, status_file, encoding, signal;
};

void declare_of_one_verb(CLI::App& app, Flags& flags, JobVerb verb) {
  if (verb == JobVerb::attach) {
    app.add_flag("-i,--stdin", flags.input);
    app.add_flag("-t,--terminal", flags.terminal);
    app.add_flag("--tail", flags.tail);
  }
  if (verb == JobVerb::logs) app.add_flag("-f,--follow", flags.follow);
  if (verb == JobVerb::kill) app.add_option("-s,--signal", flags.signal);
  if (verb == JobVerb::attach || verb == JobVerb::logs) app.add_option("--encoding", flags.encoding);
  if (verb == JobVerb::attach || verb == JobVerb::wait) app.add_option("--status-file", flags.status_file);
  if (verb != JobVerb::kill && verb != JobVerb::rm) app.add_flag("--json", flags.json);
}

void declare(CLI::App& app, Flags& flags, JobVerb verb) {
  app.set_help_flag();  // ours is text of our own
  app.add_flag("-h,--help", flags.help);
  auto* verbose = app.add_flag("-v,--verbose", flags.verbose);
  app.add_flag("-q,--quiet", flags.quiet)->excludes(verbose);
  app.add_option("--connect-timeout", flags.connect_timeout);
  declare_of_one_verb(app, flags, verb);
}

struct Words {
  std::vector<std::string> options, others;
};

// Behind a `--` nothing is an option any more.
Words sort(const CLI::App& app, std::span<const std::string> words) {
  Words sorted;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--") {
      sorted.others.insert(sorted.others.end(), words.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                           words.end());
      break;
    }
    const bool is_option = words[i].size() > 1 && words[i][0] == '-';
    (is_option ? sorted.options : sorted.others).push_back(words[i]);
    if (is_option && takes_the_next_word(app, words[i]) && i + 1 < words.size())
      sorted.options.push_back(words[++i]);
  }
  return sorted;
}

Status check_words(JobVerb verb, const std::vector<std::string>& words) {
  const std::string name(name_of(verb));
  if (verb == JobVerb::ps) {
    if (words.size() <= 1) return Ok{};
    return usage_error("ps takes no more than HOST, and '" + words[1] + "' stands behind it", kHelp);
  }
  const std::size_t ids = words.size() < 2 ? 0 : words.size() - 1;
  const bool fits = verb == JobVerb::rm ? ids >= 1 && ids <= kMostIds : ids == 1;
  if (!fits)
    return usage_error("write runwire " + name + " HOST ID" + (verb == JobVerb::rm ? "..." : "") +
                           ", `.` is the default HOST; `runwire ps HOST` shows the ids",
                       kHelp);
  for (std::size_t i = 1; i < words.size(); ++i)
    if (words[i].empty() || words[i].size() > kLongestId)
      return usage_error("'" + words[i] + "' is no id: one has 1 to " + std::to_string(kLongestId) + " bytes",
                         kHelp);
  return Ok{};
}

// A name in any case, with or without SIG, or a number; 0: none.
int signal_of(std::string word) {
  for (char& c : word)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  const int number = signal_number(word.starts_with("SIG") ? word.substr(3) : word);
  return number <= kLastSignal ? number : 0;
}

Result<int> read_signal(const std::optional<std::string>& text) {
  if (!text) return 0;
  const int number = signal_of(*text);
  if (number > 0) return number;
  return usage_error("--signal: '" + *text +
                         "' is no signal here; write a name such as TERM or HUP, or a number from 1 to " +
                         std::to_string(kLastSignal),
                     kHelp);
}

// As kill(1) takes it, and we do not.
Status check_for_dashed_signal(const CLI::App& app, const std::vector<std::string>& options) {
  for (std::size_t i = 0; i < options.size(); i += takes_the_next_word(app, options[i]) ? 2 : 1) {
    const std::string& word = options[i];
    const int number = word.starts_with('-') ? signal_of(word.substr(1)) : 0;
    if (number > 0)
      return usage_error("kill: write -s " + signal_name(number) + " instead of " + word, kHelp);
  }
  return Ok{};
}

Status read_flags(const Flags& flags, Invocation& invocation) {
  CommandRequest& request = invocation.request;
  if (flags.connect_timeout) {
    const auto timeout = read_connect_timeout(*flags.connect_timeout);
    RUNWIRE_TRY(timeout);
    request.connect_timeout = *timeout;
  }
  if (flags.status_file && flags.status_file->empty())
    return usage_error("--status-file must name a file", kHelp);
  const auto signal = read_signal(flags.signal);
  RUNWIRE_TRY(signal);
  invocation.job.signal = *signal;
  invocation.job.from_now = flags.tail;
  invocation.job.goes_on = flags.follow;
  request.forwards_stdin = flags.input || flags.terminal;
  if (flags.terminal) request.terminal = TerminalWish::as_here;
  request.status_file = flags.status_file.value_or("");
  request.encoding = flags.encoding.value_or("");
  request.json = flags.json;
  request.verbose = flags.verbose;
  request.quiet = flags.quiet;
  return Ok{};
}

}  // namespace

std::optional<JobVerb> job_verb_named(std::string_view word) {
  for (const auto& [name, verb] : kVerbs)
    if (name == word) return verb;
  return std::nullopt;
}

Result<Invocation> parse_job_verb(JobVerb verb, std::span<const std::string> options,
                                  std::span<const std::string> words, const Environment& environment) {
  CLI::App app;
  Flags flags;
  declare(app, flags, verb);
  Words sorted = sort(app, words);
  sorted.options.insert(sorted.options.begin(), options.begin(), options.end());
  if (verb == JobVerb::kill) RUNWIRE_TRY(check_for_dashed_signal(app, sorted.options));
  const Status parsed = parse_options(app, sorted.options, kHelp);
  if (!parsed) return Error{parsed.error().code, std::string(name_of(verb)) + ": " + parsed.error().message};
  Invocation invocation;
  invocation.task = flags.help ? Invocation::job_help : Invocation::job_verb;
  if (flags.help) return invocation;
  RUNWIRE_TRY(check_words(verb, sorted.others));
  invocation.job.verb = verb;
  invocation.request.host = sorted.others.empty() ? "." : sorted.others[0];
  invocation.request.connect_timeout = kConnectTimeout;
  const auto destination = find_destination(invocation.request.host, kDefaultPort, environment);
  RUNWIRE_TRY(destination);
  set_destination(invocation.request, *destination);
  if (sorted.others.size() > 1) invocation.job.ids.assign(sorted.others.begin() + 1, sorted.others.end());
  RUNWIRE_TRY(read_flags(flags, invocation));
  return invocation;
}

std::string_view job_help_text() {
  return R"(Looks after commands that outlive their connection: those of `runwire -d HOST
COMMAND...`, which prints their ID, and of `runwire --keep HOST COMMAND...`.

  runwire ps [HOST]         lists them, the oldest first
  runwire attach HOST ID    shows what it wrote, and what it writes to its end
  runwire wait HOST ID      waits until it ends
  runwire logs HOST ID      shows what it has written so far
  runwire kill HOST ID      ends it and all that it has started
  runwire rm HOST ID...     forgets those that have ended, with their output

  -i, --stdin          attach: its stdin is ours from here on (it gets none)
  -t, --terminal       attach: it is at a terminal, which is ours from here on:
                       -i, its last screen, our size; `~.` detaches, `~^Z`
                       stops us (no)
  --tail               attach: only what it writes from now on (all)
  -f, --follow         logs: until it ends
  -s, --signal NAME    kill: send its process group this signal, and no more
  --json               ps, attach, wait, logs: JSON lines on stdout
  --status-file PATH   attach, wait: write there as a JSON line how it ended
  --encoding NAME      attach, logs: it speaks NAME (GBK): convert all (no)
  --connect-timeout, -v, -q, -h   as in `runwire --help`

HOST is as in `runwire --help`, `.` the default one. A host that is named like
one of these is reached as `runwire -- ps COMMAND`, or by its address.

A lost connection is made anew, and no byte is lost or comes twice. Signals go
to a command that is attached; the second INT or TERM in a row, and HUP, detach.

Exit status: attach, wait: the command's, as in `runwire --help`; ps, logs,
kill, rm: 0; 255 if runwire failed, where there is no such command, and where
one is left before its end.
)";
}

}  // namespace runwire
