#include "client/relay.hpp"

#include <unistd.h>

#include <string>
#include <utility>

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

// Exactly, or not at all.
Status encode(Charset& charset, std::string& text) {
  auto encoded = charset.convert_exactly(text);
  if (!encoded) return encoded.error();
  text = std::move(*encoded);
  return Ok{};
}

Result<StartWords> encode_words(StartWords words, Encoding* encoding) {
  if (encoding == nullptr) return words;
  RUNWIRE_TRY(encode(encoding->command, words.line));
  for (auto* list : {&words.argv, &words.environment})
    for (std::string& word : *list) RUNWIRE_TRY(encode(encoding->command, word));
  return words;
}

Start start_of(const CommandRequest& request, const StartWords& words) {
  Start start;
  start.id = "1";
  start.shell = request.shell;
  start.argc = request.shell ? 0 : words.argv.size();
  start.envc = words.environment.size();
  start.clear_env = request.clear_env;
  start.cwd = request.cwd;
  start.takes_stdin = request.forwards_stdin;
  start.linger = request.linger;
  start.timeout_ms = request.timeout_ms;
  start.idle_ms = request.idle_ms;
  return start;
}

StdioRelay::Options options_of(const CommandRequest& request, Encoding* encoding, Signals* signals) {
  StdioRelay::Options options;
  options.forwards_stdin = request.forwards_stdin;
  options.output.json = request.json;
  options.output.encoding = encoding;
  options.signals = signals;
  options.verbose = request.verbose;
  return options;
}

RelayEnding converse(const CommandRequest& request, const StartWords& words, Encoding* encoding) {
  Start start = start_of(request, words);
  const std::string payload = join_start_payload(words, request.shell);
  start.len = payload.size();
  if (payload.size() > kMaxSessionPayloadBytes)
    return failed({Errc::invalid_argument,
                   "the command is longer than a server takes (1 MiB); put it into a file there"});
  auto channel = connect_to_server(request.address, request.own_server_only, request.connect_timeout);
  if (!channel) return failed(channel.error());
  if (request.verbose) say("connected to " + to_string(request.address));
  auto signals = Signals::install({SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2});
  if (!signals) return failed(signals.error());
  Session session(std::move(*channel), kOutputWindow, request.connect_timeout);
  RelayEnding ending = StdioRelay(session, start, options_of(request, encoding, &*signals)).run(payload);
  if (ending.failure && ending.failure->code != Errc::io && !ending.was_interrupted)
    ending.failure->message = to_string(request.address) + ": " + ending.failure->message;
  if (!ending.failure) session.close();
  return ending;
}

RelayEnding run_encoded(const CommandRequest& request) {
  if (request.encoding.empty()) return converse(request, request.words, nullptr);
  auto encoding = Encoding::open(request.encoding);
  if (!encoding) return failed(encoding.error());
  const auto words = encode_words(request.words, &*encoding);
  return words ? converse(request, *words, &*encoding) : failed(words.error());
}

// A failure of ours as if a server had told it, under a name that no server uses.
std::string to_json_of(const Error& error) {
  JsonWriter json;
  json.text("type", "error");
  write_error(json, {"client", error.message, "", "", std::nullopt});
  return std::move(json).finish();
}

// The last line of --json is how it ended. Where the output itself could not be written it can't be either.
int tell_in_json(const RelayEnding& ending, int status) {
  if (ending.failure && (ending.failure->code == Errc::io || ending.was_interrupted)) return status;
  const std::string last = ending.failure ? to_json_of(*ending.failure) : ending.json;
  const IgnoredSignal broken_pipes(SIGPIPE);
  const auto written = write_fully(STDOUT_FILENO, on_one_line(last) + "\n", "stdout");
  if (written) return status;
  say(written.error().message);
  return kOwnFailureStatus;
}

int leave_record(StatusFile& file, const RelayEnding& ending, int status) {
  std::string error = ending.refusal ? ending.json : "";
  if (ending.failure) error = to_json_of(*ending.failure);
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
  const RelayEnding ending = run_encoded(request);
  tell(ending, {request.verbose, request.quiet, request.verbose});
  int status = exit_status_of(ending);
  if (request.json) status = tell_in_json(ending, status);
  return leave_record(*file, ending, status);
}

}  // namespace runwire
