#include "client/kept_line.hpp"

#include <algorithm>
#include <climits>
#include <utility>

#include "client/failure_text.hpp"
#include "client/output_relay.hpp"
#include "client/random_id.hpp"

namespace runwire {

KeptLine::KeptLine(const CommandRequest& request, std::string id, std::chrono::milliseconds patience,
                   bool is_at_terminal)
    : request_(request),
      id_(std::move(id)),
      patience_(patience),
      is_at_terminal_(is_at_terminal),
      pauses_(random_seed()) {}

Status KeptLine::meet(const ServerHello& hello) {
  const bool is_another = boot_ && *boot_ != hello.boot;
  boot_ = hello.boot;
  patience_ = std::min(patience_, std::chrono::milliseconds(std::min<std::uint64_t>(
                                      hello.limits.keep_ms, static_cast<std::uint64_t>(LLONG_MAX))));
  state_ = State::up;
  if (!is_another) return Ok{};
  return Error{
      Errc::closed,
      to_string(request_.address) + ": the daemon is a new one, and the one that had command " + id_ +
          " is gone: the command's outcome is unknown, and it is not run again; look there what it did"};
}

Status KeptLine::lose(const Error& why) {
  is_found_ = false;
  const auto now = Clock::now();
  if (!lost_at_) lost_at_ = now;
  if (!has_met()) {
    if (!never_met_) never_met_ = why;
    if (now - begun_at_ >= request_.connect_timeout) return *never_met_;
  }
  why_ = why.message;
  if (has_met() && now - *lost_at_ >= patience_) return given_up();
  try_at_ = now + pauses_.next();
  state_ = State::down;
  has_news_ = true;
  return Ok{};
}

void KeptLine::found() {
  is_found_ = true;
  lost_at_.reset();
  pauses_.begin_anew();
}

int KeptLine::milliseconds_to_wake() const {
  if (pending_) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(try_at_ - Clock::now());
  return static_cast<int>(std::clamp<long long>(left.count(), 0, INT_MAX));
}

Status KeptLine::try_again(Session& session) {
  if (!pending_ && Clock::now() < try_at_) return Ok{};
  if (!pending_) pending_.emplace(request_.address, request_.own_server_only, request_.connect_timeout);
  auto known = pending_->take();
  if (!known) return Ok{};
  pending_.reset();
  auto& channel = *known;
  if (channel) {
    session = Session(std::move(*channel), kOutputWindow, request_.connect_timeout);
    state_ = State::greeting;
    return Ok{};
  }
  return lose(channel.error());
}

std::string KeptLine::time_lost() const {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - *lost_at_).count()) +
         " s";
}

Error KeptLine::given_up() const {
  return {Errc::closed, to_string(request_.address) + ": the connection was lost " + time_lost() +
                            " ago and cannot be had again (" + why_ +
                            "): the command's outcome is unknown; `" + command_line("attach") +
                            "` asks for it"};
}

Error KeptLine::refused(const ErrorReply& error) const {
  std::string text = to_string(request_.address) + ": ";
  if (error.error == error_name::kUnknown)
    text += "no command there has had the id " + id_ + "; `runwire ps " + request_.host +
            "` shows those that are kept";
  else if (error.error == error_name::kExpired)
    text += "command " + id_ +
            " has ended, and nothing of it is kept any more: its outcome is unknown here; --keep=1d keeps "
            "one longer";
  else
    text += "command " + id_ + " cannot be followed: " + error.error + ": " + error.message;
  return {Errc::refused, text};
}

Error KeptLine::left(const Error& why) const {
  return {why.code,
          why.message + "; the command may still run: `" + command_line("attach") + "` comes back to it",
          why.errno_value};
}

Error KeptLine::detached() const {
  if (!has_met()) return {Errc::closed, "interrupted before the daemon was asked for anything"};
  const std::string what = is_found_ ? "goes on" : "may go on";
  return {Errc::closed, "detached, and the command " + what + "; `" + command_line("attach") +
                            "` comes back to it, `" + command_line("kill") + "` ends it"};
}

std::string KeptLine::command_line(const char* verb) const {
  const bool takes_terminal = is_at_terminal_ && verb == std::string_view("attach");
  return std::string("runwire ") + verb + (takes_terminal ? " -t " : " ") + request_.host + " " + id_;
}

std::optional<std::string> KeptLine::take_news() {
  if (!std::exchange(has_news_, false)) return std::nullopt;
  return "the connection is lost: " + why_;
}

std::string KeptLine::standing() const {
  return "the connection is lost, trying again (" + time_lost() + ")";
}

std::optional<std::string> KeptLine::good_news() const {
  if (!lost_at_) return std::nullopt;
  return "connected again to " + to_string(request_.address);
}

}  // namespace runwire
