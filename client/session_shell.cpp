#include "client/session_shell.hpp"

#include <utility>

#include "client/output.hpp"
#include "client/server_connection.hpp"
#include "client/shell_line.hpp"

namespace runwire {

Result<SessionShell> SessionShell::open(Options options) {
  if (options.encoding.empty()) return SessionShell(std::move(options), std::nullopt);
  auto encoding = Encoding::open(options.encoding);
  if (!encoding) return encoding.error();
  return SessionShell(std::move(options), std::move(*encoding));
}

SessionShell::SessionShell(Options options, std::optional<Encoding> encoding)
    : options_(std::move(options)), encoding_(std::move(encoding)) {}

// The one there was, if the server has kept it.
Status SessionShell::keep_session() {
  if (!session_) return Ok{};
  const auto caught_up = session_->catch_up();
  if (caught_up) return Ok{};
  session_.reset();
  if (caught_up.error().code != Errc::closed) return caught_up;
  if (!options_.quiet) say("the server has closed the connection since the last command; connecting again");
  return Ok{};
}

Status SessionShell::prepare_session() {
  RUNWIRE_TRY(keep_session());
  if (session_) return Ok{};
  auto channel = connect_to_server(options_.address, options_.own_server_only, options_.connect_timeout);
  if (!channel) return channel.error();
  session_.emplace(std::move(*channel), kOutputWindow, options_.connect_timeout);
  const auto met = session_->await_hello();
  if (!met) {
    session_.reset();
    return Error{met.error().code, to_string(options_.address) + ": " + met.error().message};
  }
  if (options_.verbose) say("connected to " + to_string(options_.address));
  return Ok{};
}

bool SessionShell::connect() {
  const auto prepared = prepare_session();
  if (!prepared) say(prepared.error().message);
  return prepared.ok();
}

Outcome SessionShell::fail(const Error& error) const {
  say(error.message);
  return {kOwnFailureStatus, true};
}

Outcome SessionShell::run(const std::string& line) {
  if (interrupt_ != nullptr) interrupt_->take();  // one from before concerns nothing any more
  const auto command = encoding_ ? encoding_->command.convert_exactly(line) : line;
  if (!command) return fail(command.error());
  const auto valid = check_shell_line(*command);
  if (!valid) return fail(valid.error());
  const auto prepared = prepare_session();
  if (!prepared) return fail(prepared.error());
  const RelayEnding ending = relay(*command);
  tell(ending, {options_.verbose, options_.quiet, options_.says_status});
  return {exit_status_of(ending), ending.failure || ending.refusal};
}

RelayEnding SessionShell::relay(const std::string& command) {
  Start start;
  start.id = std::to_string(++commands_);
  start.shell = true;
  start.len = command.size();
  StdioRelay::Options options;
  options.forwards_stdin = false;
  options.output.encoding = encoding_ ? &*encoding_ : nullptr;
  options.signals = interrupt_;
  options.escalates = true;
  options.verbose = options_.verbose;
  RelayEnding ending = StdioRelay(*session_, start, options).run(command);
  const bool session_is_over = ending.failure || (ending.refusal && ending.refusal->id.empty());
  if (session_is_over) session_.reset();
  if (ending.was_interrupted) ending.failure->message += "; the next command gets a new one";
  return ending;
}

void SessionShell::close() {
  if (session_) session_->close();
  session_.reset();
}

}  // namespace runwire
