#include "client/command_start.hpp"

#include <utility>

namespace runwire {
namespace {

// Exactly, or not at all.
Status encode(Charset& charset, std::string& text) {
  auto encoded = charset.convert_exactly(text);
  if (!encoded) return encoded.error();
  text = std::move(*encoded);
  return Ok{};
}

Status encode_words(StartWords& words, Charset& charset) {
  RUNWIRE_TRY(encode(charset, words.line));
  for (auto* list : {&words.argv, &words.environment})
    for (std::string& word : *list) RUNWIRE_TRY(encode(charset, word));
  return Ok{};
}

}  // namespace

Result<CommandStart> prepare_start(const CommandRequest& request, StartWords words, std::string id,
                                   Encoding* encoding) {
  Start start;
  start.id = std::move(id);
  start.shell = request.shell;
  start.argc = request.shell ? 0 : words.argv.size();
  start.envc = words.environment.size();
  start.clear_env = request.clear_env;
  start.cwd = request.cwd;
  start.takes_stdin = request.forwards_stdin;
  start.linger = request.linger;
  start.timeout_ms = request.timeout_ms;
  start.idle_ms = request.idle_ms;
  start.limits = request.limits;
  start.keep_ms = request.keep_ms;
  if (request.keep_ms) start.full = Full::spill;  // it goes on while nobody takes its output
  if (encoding != nullptr) {
    RUNWIRE_TRY(encode_words(words, encoding->command));
    RUNWIRE_TRY(encode(encoding->command, start.cwd));
  }
  std::string payload = join_start_payload(words, request.shell);
  start.len = payload.size();
  if (payload.size() <= kMaxSessionPayloadBytes) return CommandStart{std::move(start), std::move(payload)};
  return Error{Errc::invalid_argument,
               "the command is longer than a server takes (1 MiB); put it into a file there"};
}

StdioRelay::Options relay_options(const CommandRequest& request, Encoding* encoding, Signals* signals) {
  StdioRelay::Options options;
  options.forwards_stdin = request.forwards_stdin;
  options.output.json = request.json;
  options.output.encoding = encoding;
  options.signals = signals;
  options.leaves_on_signal = request.leaves_on_signal;
  options.verbose = request.verbose;
  options.quiet = request.quiet;
  return options;
}

}  // namespace runwire
