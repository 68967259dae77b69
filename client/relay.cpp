#include "client/relay.hpp"

#include <unistd.h>

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

RelayEnding relay(const CommandRequest& request, const CommandStart& command, Encoding* encoding) {
  auto channel = connect_to_server(request.address, request.own_server_only, request.connect_timeout);
  if (!channel) return failed(channel.error());
  if (request.verbose) say("connected to " + to_string(request.address));
  auto signals = Signals::install({SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2});
  if (!signals) return failed(signals.error());
  Session session(std::move(*channel), kOutputWindow, request.connect_timeout);
  auto options = relay_options(request, encoding, &*signals);
  options.ends_session = true;
  RelayEnding ending = StdioRelay(session, command.start, options).run(command.payload);
  if (ending.failure && ending.failure->code != Errc::io && !ending.was_interrupted)
    ending.failure->message = to_string(request.address) + ": " + ending.failure->message;
  return ending;
}

RelayEnding relay_encoded(const CommandRequest& request, Encoding* encoding) {
  const auto command = prepare_start(request, request.words, "1", encoding);
  return command ? relay(request, *command, encoding) : failed(command.error());
}

RelayEnding run(const CommandRequest& request) {
  if (request.encoding.empty()) return relay_encoded(request, nullptr);
  auto encoding = Encoding::open(request.encoding);
  return encoding ? relay_encoded(request, &*encoding) : failed(encoding.error());
}

// A failure of ours as if a server had told it, under a name that no server uses.
std::string to_json(const Error& error) {
  JsonWriter json;
  json.text("type", "error");
  write_error(json, {"client", error.message, "", "", std::nullopt});
  return std::move(json).finish();
}

// The last line of --json says how it went. Where the output itself could not be written that can't be either.
void tell_in_json(const RelayEnding& ending) {
  const bool can_be_told = ending.failure && ending.failure->code != Errc::io && !ending.was_interrupted;
  if (can_be_told) (void)write_fully(STDOUT_FILENO, to_json(*ending.failure) + "\n", "stdout");
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
