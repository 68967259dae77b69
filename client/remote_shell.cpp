#include "client/remote_shell.hpp"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "client/failure_text.hpp"
#include "client/output.hpp"
#include "client/server_connection.hpp"
#include "client/shell_line.hpp"

namespace runwire {
Result<RemoteShell> RemoteShell::open(Options options) {
  if (options.encoding.empty()) return RemoteShell(std::move(options), std::nullopt);
  auto encoding = Encoding::open(options.encoding);
  if (!encoding) return encoding.error();
  return RemoteShell(std::move(options), std::move(*encoding));
}

RemoteShell::RemoteShell(Options options, std::optional<Encoding> encoding)
    : options_(std::move(options)), encoding_(std::move(encoding)) {}

Status RemoteShell::prepare_connection() {
  if (channel_ && channel_->has_input()) {
    if (!options_.quiet) say("the server has closed the connection since the last command; connecting again");
    channel_.reset();
  }
  if (channel_) return Ok{};
  auto channel = connect_to_server(options_.address, options_.own_server_only, options_.connect_timeout);
  if (!channel) return Error{channel.error().code, channel.error().message + options_.address_hint};
  channel_.emplace(std::move(*channel));
  if (interrupt_ != nullptr) channel_->interrupt_when_readable(interrupt_->fd());
  if (options_.verbose) say("connected to " + to_string(options_.address));
  return Ok{};
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
    return encoding_ ? put(STDOUT_FILENO, encoding_->out.convert(bytes), "stdout")
                     : put(STDOUT_FILENO, bytes, "stdout");
  };
  sinks.err = [this](std::string_view bytes) {
    return encoding_ ? put(STDERR_FILENO, encoding_->err.convert(bytes), "stderr")
                     : put(STDERR_FILENO, bytes, "stderr");
  };
  return sinks;
}

Status RemoteShell::put(int fd, std::string_view bytes, std::string_view name) const {
  const auto written = write_fully(fd, bytes, name, interrupt_ == nullptr ? -1 : interrupt_->fd());
  if (written || written.error().code != Errc::io) return written;
  const bool has_no_reader = written.error().errno_value == EPIPE;
  if (has_no_reader && fd == STDERR_FILENO) return Ok{};
  if (has_no_reader) end_by_broken_pipe();
  return Error{Errc::io, written.error().message + kOutputIsLost};
}

// The next reply must not begin with half a character of this one, not even after a failure.
Status RemoteShell::flush_encoding() {
  if (!encoding_) return Ok{};
  const std::string out = encoding_->out.finish(), err = encoding_->err.finish();
  RUNWIRE_TRY(put(STDOUT_FILENO, out, "stdout"));
  return put(STDERR_FILENO, err, "stderr");
}

Result<std::string> RemoteShell::encode(const std::string& line) {
  return encoding_ ? encoding_->command.convert_exactly(line) : line;
}

Result<ReplyHeader> RemoteShell::exchange(std::string_view command) {
  auto header = run_plain(*channel_, command, sinks());
  const auto flushed = flush_encoding();
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
  const Talk talk = {options_.verbose, options_.quiet, options_.says_status};
  const Ending ending = {*header.status, header.reason, header.truncated, header.cut};
  for (const std::string& line : words_about(ending, talk)) say(line);
  return {exit_status_of(ending), false};
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

void RemoteShell::close() {
  if (channel_) channel_->close_orderly();
  channel_.reset();
}

}  // namespace runwire
