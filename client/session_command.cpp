#include "client/session_command.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace runwire {
namespace {

constexpr std::uint64_t kGrantsPerWindow = 4;  // a message for each quarter: few of them, and no pause

Error broken(std::string why) { return {Errc::protocol, std::move(why)}; }

}  // namespace

SessionCommand::SessionCommand(std::string id, std::uint64_t window) : id_(std::move(id)), window_(window) {
  for (OutputAccount& output : outputs_) output.granted = window;
}

Status SessionCommand::take(const ServerMessage& message, std::uint64_t stdin_window) {
  if (exited_) return broken("the server goes on about a command after its exit");
  if (const auto* output = std::get_if<Output>(&message)) return take_output(*output);
  if (const auto* started = std::get_if<Started>(&message)) return take_started(*started, stdin_window);
  if (const auto* exit = std::get_if<Exit>(&message)) return take_exit(*exit);
  if (const auto* error = std::get_if<SessionError>(&message)) return take_id(error->id);
  if (const auto* stop = std::get_if<Stop>(&message)) {
    RUNWIRE_TRY(take_id(stop->id));
    takes_stdin_ = false;
  }
  if (const auto* credit = std::get_if<Credit>(&message)) {
    RUNWIRE_TRY(take_id(credit->id));
    stdin_room_ = std::min(stdin_room_ + credit->bytes, kMaxPayloadBytes);
  }
  return Ok{};
}

Status SessionCommand::take_id(const std::string& id) const {
  if (id == id_) return Ok{};
  return broken("the server speaks of a command that was not started from here");
}

Status SessionCommand::take_started(const Started& started, std::uint64_t stdin_window) {
  RUNWIRE_TRY(take_id(started.id));
  if (std::exchange(started_, true)) return broken("the server says twice that it started the command");
  stdin_room_ = std::min(stdin_room_ + stdin_window, kMaxPayloadBytes);
  return Ok{};
}

Status SessionCommand::take_output(const Output& output) {
  RUNWIRE_TRY(take_id(output.id));
  const std::string name(name_of(output.stream));
  OutputAccount& account = outputs_[index(output.stream)];
  if (!started_) return broken("output of a command that was not started");
  if (output.off != account.received)
    return broken("a piece of " + name + " begins at byte " + std::to_string(output.off) + ", and " +
                  std::to_string(account.received) + " have come before it");
  if (output.len > account.granted - account.received)
    return broken("the server sends more of " + name + " than it was allowed to");
  account.received += output.len;
  return Ok{};
}

Status SessionCommand::take_exit(const Exit& exit) {
  RUNWIRE_TRY(take_id(exit.id));
  if (!started_) return broken("the exit of a command that was not started");
  if (exit.len > 0) return broken("output in an exit record, where nobody asked for it");
  RUNWIRE_TRY(check_total(StdStream::out, exit.stdout_bytes));
  RUNWIRE_TRY(check_total(StdStream::err, exit.stderr_bytes));
  exited_ = true;
  return Ok{};
}

Status SessionCommand::check_total(StdStream stream, std::uint64_t said) const {
  const std::uint64_t received = outputs_[index(stream)].received;
  if (said == received) return Ok{};
  return broken("the server says that it sent " + std::to_string(said) + " bytes of " +
                std::string(name_of(stream)) + ", and " + std::to_string(received) + " have come");
}

StdinBytes SessionCommand::send_stdin(std::uint64_t len, bool eof) {
  assert(takes_stdin_ && len <= stdin_room_);
  const StdinBytes message = {id_, stdin_sent_, eof, len};
  stdin_sent_ += len;
  stdin_room_ -= len;
  takes_stdin_ = !eof;
  return message;
}

std::optional<Credit> SessionCommand::grant(StdStream stream, std::uint64_t waiting) {
  OutputAccount& account = outputs_[index(stream)];
  const std::uint64_t done = account.received - std::min(account.received, waiting);
  const std::uint64_t target = done + window_;
  if (account.stopped || target < account.granted + window_ / kGrantsPerWindow) return std::nullopt;
  const std::uint64_t bytes = target - account.granted;
  account.granted = target;
  return Credit{id_, stream, bytes};
}

std::optional<Stop> SessionCommand::stop(StdStream stream) {
  if (std::exchange(outputs_[index(stream)].stopped, true)) return std::nullopt;
  return Stop{id_, stream};
}

}  // namespace runwire
