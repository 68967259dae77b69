#include "client/relay.hpp"

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "client/command_start.hpp"
#include "client/encoding.hpp"
#include "client/output.hpp"
#include "client/relay_ending.hpp"
#include "client/server_connection.hpp"
#include "client/status_file.hpp"
#include "client/stdio_relay.hpp"

namespace runwire {
namespace {

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

RelayEnding relay(const CommandRequest& request, CommandStart command, Encoding* encoding) {
  auto channel = connect_to_server(request.address, request.own_server_only, request.connect_timeout);
  if (!channel) return failed({channel.error().code, channel.error().message + request.address_hint});
  if (request.verbose) say("connected to " + to_string(request.address));
  const bool has_terminal = wants_terminal(request);
  auto signals = catch_signals(has_terminal);
  if (!signals) return failed(signals.error());
  Session session(std::move(*channel), kOutputWindow, request.connect_timeout);
  auto options = relay_options(request, encoding, &*signals);
  options.ends_session = true;
  options.server = to_string(request.address);
  std::optional<TerminalMode> terminal;  // dies before the signals do, which may not find it raw
  if (has_terminal) command.start.pty = pty_wish();
  if (has_terminal) options.terminal = &terminal.emplace(request.forwards_stdin ? STDIN_FILENO : -1);
  return StdioRelay(session, command.start, options).run(command.payload);
}

RelayEnding relay_encoded(const CommandRequest& request, Encoding* encoding) {
  auto command = prepare_start(request, request.words, "1", encoding);
  return command ? relay(request, std::move(*command), encoding) : failed(command.error());
}

RelayEnding run(const CommandRequest& request) {
  if (request.encoding.empty()) return relay_encoded(request, nullptr);
  auto encoding = Encoding::open(request.encoding);
  return encoding ? relay_encoded(request, &*encoding) : failed(encoding.error());
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

}  // namespace

int run_command(const CommandRequest& request) {
  auto file = StatusFile::open(request.status_file);
  if (!file) {
    say(file.error().message);
    return kOwnFailureStatus;
  }
  const RelayEnding ending = run(request);
  const int status = leave_record(*file, ending, exit_status_of(ending));
  if (request.json) tell_in_json(ending);
  tell(ending, {request.verbose, request.quiet, request.verbose});
  return status;
}

}  // namespace runwire
