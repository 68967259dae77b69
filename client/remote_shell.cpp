#include "client/remote_shell.hpp"

#include <unistd.h>

#include <utility>

#include "client/output.hpp"
#include "client/shell_line.hpp"

namespace runwire {
namespace {

std::string describe(const ErrorReply& error) {
  std::string text = "the server did not run the command: " + error.error;
  if (!error.message.empty()) text += ": " + error.message;
  if (!error.stage.empty())
    text += " (at " + error.stage + (error.errno_name.empty() ? "" : ", " + error.errno_name) + ")";
  if (error.retry_ms) return text + "; wait at least " + std::to_string(*error.retry_ms) + " ms";
  return error.error == error_name::kBusy ? text + "; try again later" : text;
}

// Empty where there is nothing to add to the exit status.
std::string describe(Reason reason) {
  switch (reason) {
    case Reason::exited:
    case Reason::signal:
    case Reason::output_limit:  // `truncated` says it
      return "";
    default:
      return "the server ended the command: " + std::string(name_of(reason));
  }
}

}  // namespace

Result<RemoteShell> RemoteShell::open(Options options) {
  if (options.encoding.empty()) return RemoteShell(std::move(options), std::nullopt);
  const std::string terminal = terminal_charset();
  auto command = Charset::open(terminal, options.encoding);
  if (!command) return command.error();
  auto out = Charset::open(options.encoding, terminal);
  if (!out) return out.error();
  auto err = Charset::open(options.encoding, terminal);
  if (!err) return err.error();
  return RemoteShell(std::move(options), Converters{std::move(*command), std::move(*out), std::move(*err)});
}

RemoteShell::RemoteShell(Options options, std::optional<Converters> converters)
    : options_(std::move(options)), converters_(std::move(converters)) {}

Status RemoteShell::prepare_connection() {
  if (channel_ && channel_->has_input()) {
    if (!options_.quiet) say("the server has closed the connection since the last command; connecting again");
    channel_.reset();
  }
  if (channel_) return Ok{};
  auto channel = Channel::connect(options_.address, options_.connect_timeout);
  if (!channel) return channel.error();
  RUNWIRE_TRY(check_owner(*channel));
  channel_.emplace(std::move(*channel));
  if (interrupt_ != nullptr) channel_->interrupt_when_readable(interrupt_->fd());
  if (options_.verbose) say("connected to " + to_string(options_.address));
  return Ok{};
}

Status RemoteShell::check_owner(const Channel& channel) const {
  const auto owner = channel.peer_user();
  const bool trusted = owner && (*owner == ::geteuid() || *owner == 0);
  if (!options_.own_server_only || trusted) return Ok{};
  const std::string whose = owner ? "user " + std::to_string(*owner) : "an unknown user";
  return Error{Errc::refused,
               to_string(options_.address) + " is a server of " + whose +
                   ", who would see the commands; start your own runwired, or name it as HOST"};
}

bool RemoteShell::connect() {
  const auto connected = prepare_connection();
  if (!connected) say(connected.error().message);
  return connected.ok();
}

ReplySinks RemoteShell::sinks() {
  ReplySinks sinks;
  if (options_.verbose)
    sinks.header = [](std::string_view json) { say("reply header: " + std::string(json)); };
  sinks.out = [this](std::string_view bytes) {
    return converters_ ? put(STDOUT_FILENO, converters_->out.convert(bytes), "stdout")
                       : put(STDOUT_FILENO, bytes, "stdout");
  };
  sinks.err = [this](std::string_view bytes) {
    return converters_ ? put(STDERR_FILENO, converters_->err.convert(bytes), "stderr")
                       : put(STDERR_FILENO, bytes, "stderr");
  };
  return sinks;
}

Status RemoteShell::put(int fd, std::string_view bytes, std::string_view name) const {
  return write_fully(fd, bytes, name, interrupt_ == nullptr ? -1 : interrupt_->fd());
}

// The next reply must not begin with half a character of this one, not even after a failure.
Status RemoteShell::flush_converters() {
  if (!converters_) return Ok{};
  const std::string out = converters_->out.finish(), err = converters_->err.finish();
  RUNWIRE_TRY(put(STDOUT_FILENO, out, "stdout"));
  return put(STDERR_FILENO, err, "stderr");
}

Result<std::string> RemoteShell::encode(const std::string& line) {
  return converters_ ? converters_->command.convert_exactly(line) : line;
}

Result<ReplyHeader> RemoteShell::exchange(std::string_view command) {
  auto header = run_plain(*channel_, command, sinks());
  const auto flushed = flush_converters();
  if (header && flushed) return header;
  channel_.reset();
  if (header) return flushed.error();
  const bool by_the_server = header.error().code != Errc::io;
  return by_the_server
             ? Error{header.error().code, to_string(options_.address) + ": " + header.error().message}
             : header.error();
}

Outcome RemoteShell::fail(const Error& error) {
  if (interrupt_ != nullptr && interrupt_->take())
    say("interrupted: the connection is closed, so that the server ends the command; the next command gets a "
        "new one");
  else
    say(error.message);
  return {kOwnFailureStatus, true};
}

Outcome RemoteShell::run(const std::string& line) {
  if (interrupt_ != nullptr) interrupt_->take();  // one from before concerns nothing any more
  auto command = encode(line);
  if (!command) return fail(command.error());
  const auto valid = check_shell_line(*command);
  if (!valid) return fail(valid.error());
  const auto connected = prepare_connection();
  if (!connected) return fail(connected.error());
  const auto header = exchange(*command);
  return header ? conclude(*header, command->size()) : fail(header.error());
}

Outcome RemoteShell::conclude(const ReplyHeader& header, std::size_t command_bytes) {
  if (header.error) {
    say(describe(*header.error));
    return {kOwnFailureStatus, true};
  }
  if (header.original) return conclude_original(command_bytes);
  tell_how_it_ended(header);
  return {header.status->shell_status(), false};
}

// What the original client makes of such a reply: success. More than that nobody can know.
Outcome RemoteShell::conclude_original(std::size_t command_bytes) {
  if (!std::exchange(told_of_original_, true) && !options_.quiet)
    say("this server tells no exit status: a whole reply counts as success");
  if (command_bytes <= kOriginalCommandBytes) return {0, false};
  say("this server may have taken only the first " + std::to_string(kOriginalCommandBytes) +
      " bytes of the command; put a longer one into a file there");
  channel_.reset();  // what it answers to the rest would be taken for the next command's reply
  return {0, false};
}

void RemoteShell::tell_how_it_ended(const ReplyHeader& header) const {
  const ExitStatus& status = *header.status;
  const std::string by_server = header.reason ? describe(*header.reason) : "";
  if (header.truncated)
    say("the output is incomplete: it reached the server's limit on output (--max-output)");
  if (!by_server.empty() && !options_.quiet) say(by_server);
  if (header.cut && options_.verbose)
    say("a process that the command left behind kept its output open: more may have followed");
  if (!options_.says_status || options_.quiet || status == ExitStatus::exited(0)) return;
  const std::string number = std::to_string(status.shell_status());
  say(status.by_signal()
          ? "killed by signal " + signal_name(status.signal()) + " (exit status " + number + ")"
          : "exit status " + number);
}

void RemoteShell::close() {
  if (channel_) channel_->close_orderly();
  channel_.reset();
}

}  // namespace runwire
