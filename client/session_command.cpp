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

SessionCommand::SessionCommand(const Start& start, std::uint64_t window) : SessionCommand(start.id, window) {
  is_kept_ = start.keep_ms.has_value();
}

SessionCommand::SessionCommand(const Attach& attach, std::uint64_t window)
    : SessionCommand(attach.id, window) {
  is_kept_ = true;
  wants_output_ = attach.wants_output;
  for (const auto& [stream, off] :
       {std::pair(StdStream::out, attach.stdout_off), std::pair(StdStream::err, attach.stderr_off)}) {
    OutputAccount& output = outputs_[index(stream)];
    output.received = off.value_or(0);
    output.granted = output.received + window;
    output.is_placed = off.has_value();
  }
}

void SessionCommand::resume() {
  assert(is_kept_);
  started_ = has_process_ = false;
  takes_stdin_ = !stdin_is_over_;
  kept_.reset();
  for (OutputAccount& output : outputs_) output.granted = output.received + window_;
}

Attach SessionCommand::attach() const {
  Attach attach;
  attach.id = id_;
  attach.wants_output = wants_output_;
  const auto place_of = [&](StdStream stream) {
    const OutputAccount& output = outputs_[index(stream)];
    return wants_output_ && output.is_placed ? std::optional(output.received) : std::nullopt;
  };
  attach.stdout_off = place_of(StdStream::out);
  attach.stderr_off = place_of(StdStream::err);
  return attach;
}

bool SessionCommand::has_come(StdStream stream, std::uint64_t end) const {
  const OutputAccount& output = outputs_[index(stream)];
  return output.stopped || output.received >= end;
}

Status SessionCommand::take(const ServerMessage& message, std::uint64_t stdin_window) {
  if (exited_) return broken("the server goes on about a command after its exit");
  if (const auto* output = std::get_if<Output>(&message)) return take_output(*output);
  if (const auto* gap = std::get_if<Gap>(&message)) return take_gap(*gap);
  if (const auto* started = std::get_if<Started>(&message)) return take_started(*started, stdin_window);
  if (const auto* exit = std::get_if<Exit>(&message)) return take_exit(*exit);
  if (const auto* error = std::get_if<SessionError>(&message)) return take_id(error->id);
  if (const auto* stop = std::get_if<Stop>(&message)) {
    RUNWIRE_TRY(take_id(stop->id));
    takes_stdin_ = false;
    stdin_is_over_ = true;
  }
  if (const auto* credit = std::get_if<Credit>(&message)) {
    RUNWIRE_TRY(take_id(credit->id));
    take_room(credit->bytes);
  }
  return take_of_kept(message);
}

// What only kept commands have, or nobody has asked for.
Status SessionCommand::take_of_kept(const ServerMessage& message) const {
  const auto* detached = std::get_if<Detached>(&message);
  if (detached != nullptr && is_kept_) return take_id(detached->id);
  const bool unasked = detached != nullptr || std::holds_alternative<Forgotten>(message) ||
                       std::holds_alternative<JobInfo>(message) || std::holds_alternative<Listed>(message);
  return unasked ? Status(broken("the server answers what nobody has asked")) : Status(Ok{});
}

void SessionCommand::take_room(std::uint64_t bytes) {
  stdin_room_ = std::min(stdin_room_ + bytes, kMaxPayloadBytes);
}

Status SessionCommand::take_id(const std::string& id) const {
  if (id == id_) return Ok{};
  return broken("the server speaks of a command that was not started from here");
}

Status SessionCommand::take_started(const Started& started, std::uint64_t stdin_window) {
  RUNWIRE_TRY(take_id(started.id));
  const bool is_news_of_process = is_kept_ && !has_process_ && started.pid.has_value();
  const bool is_first = !std::exchange(started_, true);
  if (!is_first && !is_news_of_process) return broken("the server says twice that it started the command");
  has_process_ = started.pid.has_value();
  if (!is_first) return Ok{};
  stdin_window_ = stdin_window;
  if (started.kept && is_kept_) return take_place(*started.kept, stdin_window);
  const bool is_placed = outputs_[0].is_placed && outputs_[1].is_placed;
  if (started.existing || !is_placed || stdin_sent_ > 0)
    return broken("the server does not say where the command's streams stand");
  take_room(stdin_window);
  return Ok{};
}

Status SessionCommand::take_place(const KeptState& kept, std::uint64_t stdin_window) {
  if (takes_stdin_ && kept.stdin_off < stdin_needed_from())
    return broken("the server has lost input that it had taken");
  kept_ = kept;
  stdin_floor_ = std::min(stdin_needed_from(), kept.stdin_off);
  stdin_sent_ = kept.stdin_off;
  stdin_room_ = std::min(kept.stdin_window, stdin_window);
  stdin_is_over_ = stdin_is_over_ || kept.stdin_ended;
  takes_stdin_ = takes_stdin_ && !stdin_is_over_;
  for (const auto& [stream, end] :
       {std::pair(StdStream::out, kept.stdout_end), std::pair(StdStream::err, kept.stderr_end)}) {
    OutputAccount& output = outputs_[index(stream)];
    if (std::exchange(output.is_placed, true)) continue;
    output.received = end;
    output.granted = end + window_;
  }
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

Status SessionCommand::take_gap(const Gap& gap) {
  RUNWIRE_TRY(take_id(gap.id));
  OutputAccount& account = outputs_[index(gap.stream)];
  const bool is_in_place = is_kept_ && started_ && gap.from == account.received && gap.to > gap.from;
  if (!is_in_place) return broken("a gap in " + std::string(name_of(gap.stream)) + " where there is none");
  account.granted += gap.to - gap.from;  // it takes no room
  account.received = gap.to;
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
  const bool came_otherwise = !wants_output_ || (is_kept_ && is_stopped(stream));
  if (said == received || came_otherwise) return Ok{};
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

// More than a window of it nobody holds there: what lies before has been read by the command.
std::uint64_t SessionCommand::stdin_needed_from() const {
  const std::uint64_t allowed = stdin_sent_ + stdin_room_;
  const std::uint64_t read = allowed - std::min(allowed, stdin_window_);
  return is_kept_ ? std::min(stdin_sent_, std::max(read, stdin_floor_)) : stdin_sent_;
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
