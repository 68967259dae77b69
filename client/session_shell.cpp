#include "client/session_shell.hpp"

#include <utility>

#include "client/output.hpp"
#include "client/server_connection.hpp"
#include "client/shell_line.hpp"

namespace runwire {

Result<SessionShell> SessionShell::open(Options request) {
  if (request.encoding.empty()) return SessionShell(std::move(request), std::nullopt);
  auto encoding = Encoding::open(request.encoding);
  if (!encoding) return encoding.error();
  return SessionShell(std::move(request), std::move(*encoding));
}

SessionShell::SessionShell(Options request, std::optional<Encoding> encoding)
    : request_(std::move(request)), encoding_(std::move(encoding)) {
  request_.shell = true;
  request_.forwards_stdin = false;
}

// The one there was, if the server has kept it.
Status SessionShell::keep_session() {
  if (!session_) return Ok{};
  const auto caught_up = session_->catch_up();
  if (caught_up) return Ok{};
  session_.reset();
  if (caught_up.error().code != Errc::closed) return caught_up;
  if (request_.verbose) say("the server has closed the connection since the last command; connecting again");
  return Ok{};
}

Status SessionShell::prepare_session() {
  RUNWIRE_TRY(keep_session());
  if (session_) return Ok{};
  auto channel = connect_to_server(request_.address, request_.own_server_only, request_.connect_timeout);
  if (!channel) return Error{channel.error().code, channel.error().message + request_.address_hint};
  session_.emplace(std::move(*channel), kOutputWindow, request_.connect_timeout);
  const auto met = session_->await_hello();
  if (!met) {
    session_.reset();
    return Error{met.error().code, to_string(request_.address) + ": " + met.error().message};
  }
  if (request_.verbose) say("connected to " + to_string(request_.address));
  return Ok{};
}

bool SessionShell::connect() {
  const auto prepared = prepare_session();
  if (!prepared) say(prepared.error().message);
  return prepared.ok();
}

Outcome SessionShell::run(const std::string& line) {
  if (interrupt_ != nullptr) interrupt_->take();  // one from before concerns nothing any more
  const auto command = prepare(line);
  const auto prepared = command ? prepare_session() : command.error();
  if (!prepared) {
    say(prepared.error().message);
    return {kOwnFailureStatus, true};
  }
  const RelayEnding ending = relay(*command);
  tell(ending, {request_.verbose, request_.quiet, true});
  return {exit_status_of(ending), ending.failure || ending.refusal};
}

Result<CommandStart> SessionShell::prepare(const std::string& line) {
  RUNWIRE_TRY(check_shell_line(line));
  return prepare_start(request_, {line, {}, request_.words.environment}, std::to_string(++commands_),
                       encoding());
}

RelayEnding SessionShell::relay(const CommandStart& command) {
  auto options = relay_options(request_, encoding(), interrupt_);
  options.escalates = true;
  RelayEnding ending = StdioRelay(*session_, command.start, options).run(command.payload);
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
