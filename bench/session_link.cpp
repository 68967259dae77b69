#include "bench/session_link.hpp"

#include <sys/uio.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <utility>

#include "bench/session_lane.hpp"

namespace runwire {
namespace {

constexpr int kPiecesAtOnce = 16;  // fed before the other connections have their turn

// What an error without an id says: the session is over.
std::string told_by(const ErrorReply& error) {
  return "the daemon ends the session: " + error.error + ": " + error.message;
}

const std::string& id_of(const Started& message) { return message.id; }
const std::string& id_of(const Output& message) { return message.id; }
const std::string& id_of(const Exit& message) { return message.id; }
const std::string& id_of(const SessionError& message) { return message.id; }
const std::string& id_of(const Stop& message) { return message.id; }
const std::string& id_of(const Credit& message) { return message.id; }
template <class Message> std::string id_of(const Message&) { return {}; }

bool is_last_of_its_command(const ServerMessage& message) {
  return std::holds_alternative<Exit>(message) || std::holds_alternative<SessionError>(message);
}

}  // namespace

Step SessionLink::connect() {
  assert(state_ == State::closed || state_ == State::waiting);
  Attempt attempt = begin_connecting(target_.endpoint);
  state_ = State::waiting;
  if (attempt.progress == Attempt::queue_full) return Step::queue_full;
  if (attempt.progress == Attempt::failed)
    return refuse(failure_of_errno(attempt.error), std::string("connect: ") + std::strerror(attempt.error));
  const bool under_way = attempt.progress == Attempt::under_way;
  fd_ = std::move(attempt.fd);
  interest_ = under_way ? Interest::read_and_write : Interest::read;
  if (auto watched = target_.readiness.watch(fd_.get(), token_, interest_); !watched) {
    fd_.reset();
    return refuse(Failure::local, watched.error().message);
  }
  state_ = State::connecting;
  if (!under_way) greet();
  return Step::pending;
}

Step SessionLink::refuse(Failure failure, std::string why) {
  failure_ = failure;
  why_ = std::move(why);
  state_ = State::closed;
  return Step::lost;
}

void SessionLink::greet() {
  state_ = State::greeting;
  reader_ = FrameReader();
  out_ = kPreface;
  out_ += frame_head(to_json(ClientHello{target_.exercise.window}));
  flush();
}

void SessionLink::on_ready(const Ready& ready, std::vector<Told>& told) {
  if (state_ == State::connecting) {
    if (ready.writable) on_connect_decided(told);
    return;
  }
  if (ready.readable) receive(told);
  if (ready.writable && fd_) flush();
}

void SessionLink::on_connect_decided(std::vector<Told>& told) {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return fail(failure_of_errno(error), std::string("connect: ") + std::strerror(error), told);
  greet();
}

void SessionLink::receive(std::vector<Told>& told) {
  const ssize_t got = ::recv(fd_.get(), target_.scratch.data(), target_.scratch.size(), 0);
  if (got > 0) return digest({target_.scratch.data(), static_cast<std::size_t>(got)}, told);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
  if (got < 0) return fail(failure_of_errno(errno), std::string("recv: ") + std::strerror(errno), told);
  fail(Failure::closed, "the daemon closed the session before the command's last frame", told);
}

void SessionLink::digest(std::string_view bytes, std::vector<Told>& told) {
  reader_.feed(bytes);
  while (fd_) {
    const Piece piece = reader_.next();
    switch (piece.kind) {
      case Piece::need_more:
        return;
      case Piece::header: {
        const auto message = parse_server_message(piece.bytes);
        if (!message) return fail(Failure::protocol, message.error().message, told);
        reader_.expect_payload(payload_bytes(*message));
        route(*message, told);
        break;
      }
      case Piece::payload:
        if (addressee_ != nullptr) addressee_->on_payload(piece.bytes);
        break;
      case Piece::end:
        if (SessionLane* const lane = std::exchange(addressee_, nullptr); lane != nullptr)
          if (const Step step = lane->on_end(); step != Step::pending) told.push_back({lane->place(), step});
        break;
      case Piece::broken:
        return fail(Failure::protocol, reader_.error(), told);
    }
  }
}

void SessionLink::route(const ServerMessage& message, std::vector<Told>& told) {
  if (const auto* hello = std::get_if<ServerHello>(&message)) return on_hello(*hello, told);
  if (const auto* error = std::get_if<SessionError>(&message); error != nullptr && error->id.empty())
    return fail(failure_of(error->error), told_by(error->error), told);
  if (state_ != State::open) return fail(Failure::protocol, "a frame before the daemon's hello", told);
  if (std::holds_alternative<Ping>(message)) return send(to_json(Pong{}));
  if (std::holds_alternative<Pong>(message) || std::holds_alternative<Optional>(message)) return;
  const std::string id = std::visit([](const auto& one) { return std::string(id_of(one)); }, message);
  find_addressee(id, is_last_of_its_command(message), told);
  if (addressee_ != nullptr) addressee_->on_header(message);
}

void SessionLink::on_hello(const ServerHello& hello, std::vector<Told>& told) {
  if (state_ != State::greeting) return fail(Failure::protocol, "the daemon's hello came twice", told);
  state_ = State::open;
  stdin_window_ = hello.limits.stdin_window;
  for (SessionLane* lane : lanes_)
    if (const Step step = lane->on_open(); step != Step::pending) told.push_back({lane->place(), step});
}

void SessionLink::find_addressee(const std::string& id, bool is_last, std::vector<Told>& told) {
  addressee_ = lane_of(id);
  if (addressee_ != nullptr) return;
  const auto abandoned = abandoned_.find(id);
  if (abandoned == abandoned_.end())
    return fail(Failure::protocol, "a frame about '" + id + "', which is no command of this session", told);
  if (is_last) abandoned_.erase(abandoned);
}

SessionLane* SessionLink::lane_of(const std::string& id) const {
  std::uint32_t place = 0;
  const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), place);
  if (error != std::errc() || end == id.data()) return nullptr;
  // Lanes are dealt out to links one after the other, so places grow along lanes_.
  const auto found =
      std::lower_bound(lanes_.begin(), lanes_.end(), place,
                       [](const SessionLane* lane, std::uint32_t at) { return lane->place() < at; });
  return found != lanes_.end() && (*found)->id() == id ? *found : nullptr;
}

void SessionLink::send(std::string_view header_json, std::string_view payload) {
  std::string& to = bulk_.empty() ? out_ : behind_;
  to += frame_head(header_json);
  to += payload;
  flush();
}

void SessionLink::send_bulk(std::string_view header_json, std::string_view payload) {
  assert(takes_bulk());
  out_ = frame_head(header_json);
  gone_ = 0;
  bulk_ = payload;
}

void SessionLink::want_to_feed(SessionLane& lane) {
  if (std::find(feeders_.begin(), feeders_.end(), &lane) == feeders_.end()) feeders_.push_back(&lane);
  flush();
}

void SessionLink::forget_feeder(const SessionLane& lane) {
  feeders_.erase(std::remove(feeders_.begin(), feeders_.end(), &lane), feeders_.end());
}

void SessionLink::flush() {
  for (int pieces = 0; fd_ && !cannot_send_; ++pieces) {
    if (!write_some()) break;
    if (feeders_.empty() || pieces == kPiecesAtOnce) break;  // level-triggered: the rest has its turn
    SessionLane* const feeder = feeders_.front();
    feeders_.pop_front();
    if (feeder->feed()) feeders_.push_back(feeder);
  }
  if (!fd_) return;
  const bool more = !takes_bulk() || !feeders_.empty();
  want(more && !cannot_send_ ? Interest::read_and_write : Interest::read);
}

// True when nothing is left.
bool SessionLink::write_some() {
  while (!takes_bulk()) {
    iovec parts[] = {{out_.data() + gone_, out_.size() - gone_},
                     {const_cast<char*>(bulk_.data()), bulk_.size()},
                     {behind_.data(), behind_.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = std::size(parts);
    const ssize_t sent = ::sendmsg(fd_.get(), &message, kSendFlags);
    if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) cannot_send_ = true;
    if (sent < 0) return false;
    auto left = static_cast<std::size_t>(sent);
    const std::size_t of_out = std::min(left, out_.size() - gone_);
    gone_ += of_out;
    left -= of_out;
    const std::size_t of_bulk = std::min(left, bulk_.size());
    bulk_.remove_prefix(of_bulk);
    left -= of_bulk;
    if (!bulk_.empty() || gone_ < out_.size()) continue;
    out_ = std::exchange(behind_, {});
    gone_ = left;
  }
  out_.clear();
  gone_ = 0;
  return true;
}

void SessionLink::abandon(const std::string& id) {
  abandoned_.insert(id);
  if (state_ == State::open) send(to_json(Signal{id, SIGKILL}));
}

void SessionLink::fail(Failure failure, std::string why, std::vector<Told>& told) {
  failure_ = failure;
  why_ = std::move(why);
  close();
  for (SessionLane* lane : lanes_)
    if (const Step step = lane->on_broken(failure_, why_); step != Step::pending)
      told.push_back({lane->place(), step});
}

void SessionLink::close() {
  if (fd_) target_.readiness.forget(fd_.get());
  fd_.reset();
  state_ = State::closed;
  out_.clear();
  behind_.clear();
  gone_ = 0;
  bulk_ = {};
  cannot_send_ = false;
  feeders_.clear();
  addressee_ = nullptr;
  abandoned_.clear();
}

void SessionLink::want(Interest interest) {
  if (interest == interest_) return;
  interest_ = interest;
  target_.readiness.change(fd_.get(), token_, interest);
}

}  // namespace runwire
