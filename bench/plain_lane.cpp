#include "bench/plain_lane.hpp"

#include <cassert>
#include <cerrno>
#include <cstring>
#include <utility>

namespace runwire {
namespace {

// Nobody wants the reply any more. A FIN would only say that no further command comes.
void reset_on_close(int fd) {
  const linger now{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

}  // namespace

Step PlainLane::connect(Nanoseconds begun) {
  assert(state_ == State::closed);
  begun_ = begun;
  enter(State::waiting);
  return retry();
}

Step PlainLane::start(Nanoseconds due, Nanoseconds begun) {
  assert(state_ == State::closed || state_ == State::idle);
  has_command_ = true;
  sent_ = 0;
  due_ = due;
  if (state_ == State::closed) return connect(begun);
  begun_ = begun;
  enter(State::sending);
  return send_rest();
}

Step PlainLane::retry() {
  assert(state_ == State::waiting);
  Attempt attempt = begin_connecting(target_.endpoint);
  if (attempt.progress == Attempt::queue_full) return Step::queue_full;
  if (attempt.progress == Attempt::failed) return fail_errno("connect", attempt.error);
  const bool under_way = attempt.progress == Attempt::under_way;
  fd_ = std::move(attempt.fd);
  interest_ = under_way ? Interest::read_and_write : Interest::read;
  reader_ = FrameReader();
  if (auto watched = target_.readiness.watch(fd_.get(), token_, interest_); !watched) {
    fd_.reset();
    return fail(Failure::local, watched.error().message);
  }
  if (!under_way) return connected();
  enter(State::connecting);
  return Step::pending;
}

Step PlainLane::on_ready(const Ready& ready) {
  if (state_ == State::connecting) return ready.writable ? on_connect_decided() : Step::pending;
  // A reply may precede the end of its command: a daemon that refuses one answers in the middle of it.
  if (ready.readable) {
    const Step step = receive();
    if (step != Step::pending) return step;
  }
  return ready.writable && state_ == State::sending ? send_rest() : Step::pending;
}

Step PlainLane::on_connect_decided() {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return fail_errno("connect", error);
  want(Interest::read);
  return connected();
}

Step PlainLane::connected() {
  enter(has_command_ ? State::sending : State::idle);
  return has_command_ ? send_rest() : Step::connected;
}

Step PlainLane::send_rest() {
  const std::string& command = target_.command;
  const ssize_t sent = ::send(fd_.get(), command.data() + sent_, command.size() - sent_, kSendFlags);
  if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) return fail_errno("send", errno);
  if (sent > 0) sent_ += static_cast<std::size_t>(sent);
  if (sent_ < command.size()) {
    want(Interest::read_and_write);
    return Step::pending;
  }
  want(Interest::read);
  enter(State::receiving);
  return Step::pending;
}

Step PlainLane::receive() {
  const ssize_t got = ::recv(fd_.get(), target_.scratch.data(), target_.scratch.size(), 0);
  if (got > 0) return digest({target_.scratch.data(), static_cast<std::size_t>(got)});
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return Step::pending;
  if (got < 0) return fail_errno("recv", errno);
  if (has_command_)
    return fail(Failure::closed, "the daemon closed the connection before its reply was whole");
  hang_up();
  failure_.reset();
  return Step::lost;
}

Step PlainLane::digest(std::string_view bytes) {
  if (!has_command_) return fail(Failure::protocol, "bytes came that nobody had asked for");
  bool whole = false;
  reader_.feed(bytes);
  for (;;) {
    const Piece piece = reader_.next();
    if (whole && piece.kind != Piece::need_more) return fail(Failure::protocol, "bytes follow the reply");
    switch (piece.kind) {
      case Piece::need_more:
        if (!whole) return Step::pending;
        return reader_.at_boundary() ? finish() : fail(Failure::protocol, "bytes follow the reply");
      case Piece::header: {
        const auto payload_bytes = check_.begin(piece.bytes);
        if (!payload_bytes) return fail(Failure::protocol, payload_bytes.error().message);
        reader_.expect_payload(*payload_bytes);
        break;
      }
      case Piece::payload:
        check_.payload(piece.bytes);
        break;
      case Piece::end:
        whole = true;
        break;
      case Piece::broken:
        return fail(Failure::protocol, reader_.error());
    }
  }
}

Step PlainLane::finish() {
  has_command_ = false;
  failure_ = check_.failure();
  if (failure_) why_ = check_.why();
  // What is left of a command that was answered too early would be read as the beginning of the next one.
  if (state_ == State::sending)
    hang_up();
  else
    enter(State::idle);
  return Step::answered;
}

Step PlainLane::expire() {
  assert(in_flight());
  const bool connecting = state_ == State::waiting || state_ == State::connecting;
  return fail(Failure::timeout,
              connecting ? "the connection was not accepted in time" : "no whole reply in time");
}

Step PlainLane::fail(Failure failure, std::string why) {
  failure_ = failure;
  why_ = std::move(why);
  const Step step = has_command_ ? Step::answered : Step::lost;
  hang_up();
  return step;
}

Step PlainLane::fail_errno(std::string_view call, int error) {
  return fail(failure_of_errno(error), std::string(call) + ": " + std::strerror(error));
}

void PlainLane::hang_up() {
  if (has_command_ && fd_) reset_on_close(fd_.get());
  has_command_ = false;
  if (fd_) target_.readiness.forget(fd_.get());
  fd_.reset();
  enter(State::closed);
}

void PlainLane::want(Interest interest) {
  if (interest == interest_) return;
  interest_ = interest;
  target_.readiness.change(fd_.get(), token_, interest);
}

PlainLanes::PlainLanes(Target& target, std::uint32_t count) {
  for (std::uint32_t place = 0; place < count; ++place) lanes_.emplace_back(target, place);
}

void PlainLanes::on_ready(const Ready& ready, std::vector<Told>& told) {
  const Step step = lanes_[ready.token].on_ready(ready);
  if (step != Step::pending) told.push_back({ready.token, step});
}

}  // namespace runwire
