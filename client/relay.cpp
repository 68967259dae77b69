#include "client/relay.hpp"

#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <utility>

#include "client/command_start.hpp"
#include "client/encoding.hpp"
#include "client/kept_line.hpp"
#include "client/last_screen.hpp"
#include "client/output.hpp"
#include "client/random_id.hpp"
#include "client/relay_ending.hpp"
#include "client/server_connection.hpp"
#include "client/status_file.hpp"
#include "client/stdio_relay.hpp"

namespace runwire {
namespace {

constexpr const char* kOnlyId = "1";  // of a command that has its session for itself

// What is to be said to the server, and how to listen.
struct Errand {
  StdioRelay::Opening opening;
  std::string payload;
  bool is_kept = false;
  bool has_terminal = false;    // here, which is the command's
  bool is_at_terminal = false;  // the command
  bool obeys_signals = true;
  StdioRelay::Until until = StdioRelay::Until::exit;
  bool leaves_without_reader = false;
};

const std::string& id_of(const Errand& errand) {
  return std::visit([](const auto& first) -> const std::string& { return first.id; }, errand.opening);
}

RelayEnding failed(Error error) {
  RelayEnding ending;
  ending.failure = std::move(error);
  return ending;
}

bool wants_terminal(const CommandRequest& request) {
  if (request.terminal == TerminalWish::as_here) return ::isatty(STDIN_FILENO) == 1;
  return request.terminal == TerminalWish::always;
}

// As the terminal here, if there is one.
PtyWish pty_wish() {
  const char* term = std::getenv("TERM");
  return {window_size().value_or(PtySize{}), term == nullptr ? "" : term};
}

Result<Signals> catch_signals(bool has_terminal) {
  if (!has_terminal) return Signals::install({SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2});
  return Signals::install({SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGTSTP, SIGCONT});
}

RelayEnding relay_over(Session& session, const CommandRequest& request, const Errand& errand,
                       Encoding* encoding, Signals* signals) {
  std::optional<TerminalMode> terminal;  // dies before the signals do, which may not find it raw
  auto options = relay_options(request, encoding, signals);
  options.forwards_stdin = request.forwards_stdin && !request.detaches;
  options.ends_session = true;
  options.server = to_string(request.address);
  options.until = errand.until;
  options.leaves_without_reader = errand.leaves_without_reader;
  if (errand.has_terminal) options.terminal = &terminal.emplace(request.forwards_stdin ? STDIN_FILENO : -1);
  if (!errand.is_kept) return StdioRelay(session, errand.opening, options).run(errand.payload);
  const std::chrono::milliseconds patience(
      request.keep_ms.value_or(std::chrono::milliseconds(kUsualKeep).count()));
  KeptLine line(request, id_of(errand), patience, errand.is_at_terminal);
  options.line = &line;
  options.obeys_escape = terminal && terminal->is_there();
  options.asks = ::isatty(STDIN_FILENO) == 1;
  return StdioRelay(session, errand.opening, options).run(errand.payload);
}

RelayEnding relay(const CommandRequest& request, const Errand& errand, Encoding* encoding) {
  auto channel = connect_to_server(request.address, request.own_server_only, request.connect_timeout);
  if (!channel) return failed({channel.error().code, channel.error().message + request.address_hint});
  if (request.verbose)
    say("connected to " + to_string(request.address) + (errand.is_kept ? ", command " + id_of(errand) : ""));
  Session session(std::move(*channel), kOutputWindow, request.connect_timeout);
  if (!errand.obeys_signals) return relay_over(session, request, errand, encoding, nullptr);
  auto signals = catch_signals(errand.has_terminal);
  if (!signals) return failed(signals.error());
  return relay_over(session, request, errand, encoding, &*signals);
}

using MakeErrand = std::function<Result<Errand>(Encoding*)>;

RelayEnding relay_encoded(const CommandRequest& request, const MakeErrand& make, Encoding* encoding) {
  const auto errand = make(encoding);
  return errand ? relay(request, *errand, encoding) : failed(errand.error());
}

RelayEnding run(const CommandRequest& request, const MakeErrand& make) {
  if (request.encoding.empty()) return relay_encoded(request, make, nullptr);
  auto encoding = Encoding::open(request.encoding);
  return encoding ? relay_encoded(request, make, &*encoding) : failed(encoding.error());
}

// Nobody need look at a terminal, which neither fills a disk nor stands still then. Where a program reads what comes,
// it is to have all of it.
void give_terminal(const CommandRequest& request, Start& start) {
  start.pty = pty_wish();
  const bool is_for_people = request.detaches || ::isatty(STDIN_FILENO) == 1;
  if (request.keep_ms && is_for_people) start.full = Full::drop;
}

Result<Errand> errand_of(const CommandRequest& request, const std::string& id, Encoding* encoding) {
  auto command = prepare_start(request, request.words, id, encoding);
  if (!command) return command.error();
  Errand errand;
  errand.payload = std::move(command->payload);
  errand.is_kept = request.keep_ms.has_value();
  const bool gets_terminal = wants_terminal(request);
  if (gets_terminal) give_terminal(request, command->start);
  if (request.detaches && !gets_terminal) command->start.takes_stdin = false;
  errand.is_at_terminal = gets_terminal;
  errand.has_terminal = gets_terminal && !request.detaches;
  errand.opening = std::move(command->start);
  if (!request.detaches) return errand;
  errand.until = StdioRelay::Until::started;
  errand.obeys_signals = false;
  return errand;
}

// Whether the command has one for ours, and where to begin with its picture. What the server does not tell now, it does
// when the command is found: until then all of the output is wanted.
Status find_terminal(const CommandRequest& request, Attach& attach, Errand& errand) {
  if (!wants_terminal(request)) return Ok{};
  const auto screen = find_last_screen(request, attach.id);
  RUNWIRE_TRY(screen);
  errand.has_terminal = errand.is_at_terminal = !*screen || (*screen)->is_terminal;
  if (*screen && errand.has_terminal) attach.stdout_off = (*screen)->begin;
  if (!errand.has_terminal && !request.quiet) say(kAtNoTerminal);
  return Ok{};
}

Result<Errand> errand_of(const CommandRequest& request, const JobRequest& job) {
  Attach attach;
  attach.id = job.ids.at(0);
  attach.wants_output = job.verb != JobVerb::wait;
  Errand errand;
  RUNWIRE_TRY(find_terminal(request, attach, errand));
  if (attach.wants_output && !attach.stdout_off) attach.stdout_off = attach.stderr_off = 0;
  if (job.from_now) attach.stdout_off = attach.stderr_off = std::nullopt;
  errand.opening = std::move(attach);
  errand.is_kept = true;
  errand.obeys_signals = job.verb == JobVerb::attach;
  errand.leaves_without_reader = true;
  if (job.verb == JobVerb::logs && !job.goes_on) errand.until = StdioRelay::Until::present;
  return errand;
}

// What --json has to say where there was nothing to be relayed.
void tell_in_json(const RelayEnding& ending) {
  const bool is_told = ending.was_relayed || !ending.failure;
  if (!is_told) (void)write_fully(STDOUT_FILENO, to_json(*ending.failure) + "\n", "stdout");
}

int leave_record(StatusFile& file, const RelayEnding& ending, int status) {
  std::string error = ending.refusal ? ending.json : "";
  if (ending.failure) error = to_json(*ending.failure);
  const auto written = file.write(status, ending.exit ? ending.json : "", error);
  if (written) return status;
  say(written.error().message);
  return kOwnFailureStatus;
}

using StatusOf = std::function<int(const RelayEnding&)>;

int conclude(const CommandRequest& request, const MakeErrand& make, const StatusOf& status_of) {
  auto file = StatusFile::open(request.status_file);
  if (!file) {
    say(file.error().message);
    return kOwnFailureStatus;
  }
  const RelayEnding ending = run(request, make);
  const int status = leave_record(*file, ending, status_of(ending));
  if (request.json) tell_in_json(ending);
  tell(ending, {request.verbose, request.quiet, request.verbose});
  if (ending.reader_has_gone) end_by_broken_pipe();
  return status;
}

// Who asks for a command's output does not ask how it ended.
int status_of_logs(const RelayEnding& ending) {
  const bool is_whole = (ending.exit || ending.was_enough) && !ending.failure && !ending.has_gaps;
  return is_whole ? 0 : kOwnFailureStatus;
}

int tell_id(const std::string& id, const RelayEnding& ending) {
  const int status = exit_status_of(ending);
  if (!ending.was_started || ending.failure || ending.refusal) return status;
  const auto written = write_fully(STDOUT_FILENO, id + "\n", "stdout");
  if (written) return status;
  say(written.error().message + "; the command runs, and its id is " + id);
  return kOwnFailureStatus;
}

}  // namespace

int run_command(const CommandRequest& request) {
  const auto id = request.keep_ms ? random_id() : Result<std::string>(kOnlyId);
  if (!id) {
    say(id.error().message);
    return kOwnFailureStatus;
  }
  const auto make = [&](Encoding* encoding) { return errand_of(request, *id, encoding); };
  return conclude(request, make, [&](const RelayEnding& ending) {
    return request.detaches ? tell_id(*id, ending) : exit_status_of(ending);
  });
}

int follow_command(const CommandRequest& request, const JobRequest& job) {
  const auto make = [&](Encoding*) { return errand_of(request, job); };
  if (job.verb == JobVerb::logs) return conclude(request, make, status_of_logs);
  return conclude(request, make, [](const RelayEnding& ending) { return exit_status_of(ending); });
}

}  // namespace runwire
