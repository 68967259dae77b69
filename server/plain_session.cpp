#include "server/plain_session.hpp"

#include <utility>

#include "proto/frame.hpp"
#include "proto/limits.hpp"
#include "server/log.hpp"

namespace runwire {

PlainSession::PlainSession(ConnectionId id, ByteChannel& channel, JobTable& jobs, OutputStore& store,
                           MemoryBudget& requests)
    : id_(id), channel_(channel), jobs_(jobs), store_(store), request_memory_(requests) {}

void PlainSession::received(std::string_view bytes) {
  if (state_ == State::over || last_reply_) return;
  collect(bytes);
  if (state_ == State::collecting) consider();
}

void PlainSession::collect(std::string_view bytes) {
  if (excess_ != Excess::none) return;
  if (request_.size() + bytes.size() > kMaxCommandBytes)
    excess_ = Excess::too_long;
  else if (!request_memory_.extend(bytes.size()))
    excess_ = Excess::no_memory;
  if (excess_ == Excess::none)
    request_ += bytes;
  else
    forget_request();
}

void PlainSession::forget_request() {
  request_ = {};
  request_memory_.give_back(request_memory_.held());
}

void PlainSession::consider() {
  const Opening opening = judge_opening(request_);
  if (refuse_opening(opening)) return;
  const bool may_go_on = request_.size() >= kUncutBytes || opening == Opening::undecided;
  if (!eof_ && (may_go_on || excess_ != Excess::none))
    channel_.await_quiet(kBurstQuietMs);
  else
    submit();
}

bool PlainSession::refuse_opening(Opening opening) {
  switch (opening) {
    case Opening::plain:
    case Opening::undecided:
      return false;
    case Opening::session:
      last_reply_ = true;
      reply_error(error_name::kProtocol,
                  "a command cannot start with a NUL byte; a session begins with its connection");
      return true;
    case Opening::http:
      channel_.drop("http");
      break;
    case Opening::tls:
      channel_.drop("tls");
      break;
    case Opening::ssh:
      channel_.drop("ssh");
      break;
  }
  state_ = State::over;
  return true;
}

void PlainSession::quiet() {
  if (state_ == State::collecting) submit();
}

void PlainSession::half_closed() {
  eof_ = true;
  if (state_ != State::collecting) return;
  if (has_request())
    consider();
  else
    end();
}

void PlainSession::submit() {
  std::string command = std::exchange(request_, {});
  request_memory_.give_back(request_memory_.held());
  switch (std::exchange(excess_, Excess::none)) {
    case Excess::none:
      break;
    case Excess::too_long:
      return reply_error(error_name::kLimit, "a command may have " + std::to_string(kMaxCommandBytes) +
                                                 " bytes at most; put a longer one into a file and run that");
    case Excess::no_memory:
      return reply_error(error_name::kBusy, "too many long commands at once; try again later");
  }
  if (command.find('\0') != command.npos)
    return reply_error(error_name::kProtocol, "a command cannot hold a NUL byte; nothing was run");
  log::debug("command").add("conn", static_cast<std::int64_t>(id_)).add("bytes", command);
  if (!jobs_.submit(id_, {std::move(command)}))
    return reply_error(error_name::kBusy, "too many commands wait already; try again later");
  state_ = State::running;
}

void PlainSession::command_finished(JobResult result) {
  if (state_ == State::running) reply(std::move(result));
}

void PlainSession::reply_error(std::string_view error, std::string message) {
  reply_error(error_reply(error, std::move(message)));
}

void PlainSession::reply_error(ErrorReply error) {
  JobResult failed;
  failed.header.error = std::move(error);
  reply(std::move(failed));
}

void PlainSession::reply(JobResult result) {
  state_ = State::replying;
  std::string head = frame_head(to_json(result.header));
  reply_ = std::make_unique<ReplyStream>(std::move(head), std::move(result), store_, channel_,
                                         [this] { pump_reply(); });
  pump_reply();
}

void PlainSession::drained() {
  if (state_ == State::replying) pump_reply();
}

void PlainSession::pump_reply() {
  switch (reply_->pump()) {
    case ReplyProgress::going:
      return;
    case ReplyProgress::broken:
      state_ = State::over;
      return channel_.drop("spill-unreadable");
    case ReplyProgress::sent:
      reply_.reset();
      return go_on();
  }
}

void PlainSession::go_on() {
  state_ = State::collecting;
  if (last_reply_ || (!has_request() && (eof_ || winding_up_))) return end();
  if (winding_up_) return refuse_to_start();
  if (has_request()) consider();
}

void PlainSession::wind_up(WindUp why) {
  winding_up_ = why;
  if (state_ == State::collecting) go_on();
}

void PlainSession::refuse_to_start() {
  last_reply_ = true;
  forget_request();
  reply_error(refusal_of(*winding_up_));
}

void PlainSession::end() {
  state_ = State::over;
  channel_.finish();
}

}  // namespace runwire
