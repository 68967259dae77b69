#include "bench/session_lane.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace runwire {
namespace {

constexpr std::size_t kFeedPiece = std::size_t{128} << 10;

std::string_view zeros(std::size_t size) {
  static const std::string kZeros(kFeedPiece, '\0');
  return std::string_view(kZeros).substr(0, size);
}

}  // namespace

SessionLane::SessionLane(Target& target, SessionLink& link, std::uint32_t place, bool is_idle)
    : target_(target), link_(link), place_(place), is_idle_(is_idle), check_(target.expected) {}

Step SessionLane::connect(Nanoseconds begun) {
  assert(state_ == State::closed);
  begun_ = heard_ = begun;
  return attach();
}

Step SessionLane::retry() {
  assert(state_ == State::waiting);
  return attach();
}

// The first lane of a link connects it; those that come later find it on its way or open.
Step SessionLane::attach() {
  state_ = State::connecting;
  if (link_.state() == SessionLink::State::open) return on_open();
  if (link_.state() == SessionLink::State::connecting || link_.state() == SessionLink::State::greeting)
    return Step::pending;
  const Step step = link_.connect();
  if (step == Step::queue_full) state_ = State::waiting;
  return step == Step::lost ? give_up(link_.failure(), link_.why()) : step;
}

Step SessionLane::on_open() {
  if (state_ != State::connecting && state_ != State::waiting) return Step::pending;
  state_ = State::connecting;
  if (is_conversation() && !is_idle_) return begin_command();
  state_ = State::idle;
  return has_command_ ? begin_command() : Step::connected;
}

Step SessionLane::start(Nanoseconds due, Nanoseconds begun) {
  assert(state_ == State::closed || state_ == State::idle);
  has_command_ = true;
  due_ = due;
  if (state_ == State::closed) return connect(begun);
  begun_ = heard_ = begun;
  return is_conversation() ? begin_turn() : begin_command();
}

Step SessionLane::begin_command() {
  if (!is_conversation()) state_ = State::busy;
  id_ = std::to_string(place_) + "." + std::to_string(++commands_);
  check_.begin(target_.exercise.reply);
  first_byte_ = 0;
  uncredited_ = {};
  sent_ = 0;
  room_ = link_.stdin_window();
  ended_ = winding_up_ = false;
  Start start;
  start.id = id_;
  start.shell = true;
  start.takes_stdin = target_.exercise.kind != Exercise::Kind::run;
  start.reply = target_.exercise.reply;
  start.len = target_.command.size();
  link_.send(to_json(start), target_.command);
  if (target_.exercise.kind == Exercise::Kind::feed) link_.want_to_feed(*this);
  return Step::pending;
}

Step SessionLane::begin_turn() {
  state_ = State::busy;
  check_.begin_turn();
  first_byte_ = 0;
  line_is_due_ = true;
  send_line();
  return Step::pending;
}

void SessionLane::send_line() {
  const std::string& line = target_.expected.payload;
  if (!line_is_due_ || room_ < line.size()) return;
  line_is_due_ = false;
  link_.send(to_json(StdinBytes{id_, sent_, false, line.size()}), line);
  sent_ += line.size();
  room_ -= line.size();
  bytes_ += line.size();
}

bool SessionLane::feed() {
  if (ended_ || id_.empty()) return false;
  const std::uint64_t left = target_.exercise.feed_bytes - sent_;
  const std::uint64_t size = std::min({left, room_, std::uint64_t{kFeedPiece}});
  if (size == 0 && left > 0) return false;
  ended_ = size == left;
  link_.send_bulk(to_json(StdinBytes{id_, sent_, ended_, size}), zeros(static_cast<std::size_t>(size)));
  sent_ += size;
  room_ -= size;
  bytes_ += size;
  heard_ = now_ns();
  return !ended_ && room_ > 0;
}

void SessionLane::on_header(const ServerMessage& message) {
  heard_ = now_ns();
  frame_ = Frame::none;
  if (std::holds_alternative<Started>(message)) {
    check_.started();
    frame_ = Frame::started;
  } else if (const auto* output = std::get_if<Output>(&message)) {
    check_.output(*output);
    stream_ = output->stream;
    frame_ = Frame::output;
  } else if (const auto* exit = std::get_if<Exit>(&message)) {
    check_.exit(*exit);
    frame_ = Frame::exit;
  } else if (const auto* error = std::get_if<SessionError>(&message)) {
    check_.error(error->error);
    frame_ = Frame::error;
  } else if (const auto* credit = std::get_if<Credit>(&message)) {
    on_credit(*credit);
  } else if (const auto* stop = std::get_if<Stop>(&message);
             stop != nullptr && stop->stream == StdStream::in) {
    ended_ = true;
  } else {
    check_.misplaced("what the daemon says of '" + id_ + "'");
  }
}

void SessionLane::on_credit(const Credit& credit) {
  if (credit.stream != StdStream::in) return check_.misplaced("credit for output");
  room_ += credit.bytes;
  if (is_conversation()) return send_line();
  if (target_.exercise.kind == Exercise::Kind::feed) link_.want_to_feed(*this);
}

void SessionLane::on_payload(std::string_view piece) {
  heard_ = now_ns();
  if (frame_ == Frame::output && first_byte_ == 0) first_byte_ = heard_;
  if (target_.exercise.kind == Exercise::Kind::run) bytes_ += piece.size();
  check_.payload(piece);
  if (frame_ == Frame::output) give_credit(piece.size());
}

void SessionLane::give_credit(std::size_t bytes) {
  if (!target_.exercise.window) return;
  std::uint64_t& owed = uncredited_[stream_ == StdStream::err ? 1 : 0];
  owed += bytes;
  if (owed < *target_.exercise.window / 2) return;
  link_.send(to_json(Credit{id_, stream_, owed}));
  owed = 0;
}

Step SessionLane::on_end() {
  switch (std::exchange(frame_, Frame::none)) {
    case Frame::none:
      return Step::pending;
    case Frame::started:
      return on_started();
    case Frame::output:
      return on_output_end();
    case Frame::exit:
      check_.end_of_exit();
      return on_last();
    case Frame::error:
      return on_last();
  }
  return Step::pending;
}

Step SessionLane::on_started() {
  if (!is_conversation() || state_ != State::connecting) return Step::pending;
  state_ = State::idle;
  return has_command_ ? begin_turn() : Step::connected;
}

Step SessionLane::on_output_end() {
  if (!is_conversation()) return Step::pending;
  if (!has_command_ || winding_up_) return give_up(Failure::protocol, "bytes came that nobody had asked for");
  return check_.turn_is_whole() ? finish() : Step::pending;
}

Step SessionLane::on_last() {
  id_.clear();
  link_.forget_feeder(*this);
  if (is_conversation() && !winding_up_)
    return give_up(check_.failure().value_or(Failure::closed),
                   check_.failure() ? check_.why() : "the command that was talked to has ended");
  return finish();
}

Step SessionLane::finish() {
  has_command_ = false;
  state_ = State::idle;
  failure_ = check_.failure();
  if (failure_) why_ = check_.why();
  return Step::answered;
}

Step SessionLane::wind_up() {
  if (!is_conversation() || state_ != State::idle) return Step::connected;
  has_command_ = true;
  state_ = State::busy;
  due_ = heard_ = now_ns();
  check_.begin_turn();
  winding_up_ = true;
  link_.send(to_json(StdinBytes{id_, sent_, true, 0}));
  return Step::pending;
}

std::optional<Nanoseconds> SessionLane::first_byte() const {
  const bool known = target_.exercise.kind == Exercise::Kind::run && first_byte_ != 0;
  return known ? std::optional(first_byte_) : std::nullopt;
}

Step SessionLane::expire() {
  assert(in_flight());
  return give_up(Failure::timeout, has_command_ && state_ == State::busy
                                       ? "nothing came of the command in time"
                                       : "the session was not opened in time");
}

Step SessionLane::on_broken(Failure failure, const std::string& why) {
  if (state_ == State::closed) return Step::pending;
  const bool is_only_over = state_ == State::idle && failure == Failure::closed;
  failure_ = is_only_over ? std::nullopt : std::optional(failure);
  why_ = why;
  const Step step = has_command_ ? Step::answered : Step::lost;
  has_command_ = false;
  id_.clear();
  state_ = State::closed;
  return step;
}

Step SessionLane::give_up(Failure failure, std::string why) {
  failure_ = failure;
  why_ = std::move(why);
  const Step step = has_command_ ? Step::answered : Step::lost;
  hang_up();
  return step;
}

void SessionLane::hang_up() {
  link_.forget_feeder(*this);
  if (!link_.is_shared())
    link_.close();
  else if (!id_.empty())
    link_.abandon(id_);
  id_.clear();
  has_command_ = false;
  state_ = State::closed;
}

}  // namespace runwire
