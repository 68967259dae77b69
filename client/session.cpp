#include "client/session.hpp"

#include <poll.h>

#include <algorithm>
#include <climits>
#include <utility>

#include "client/failure_text.hpp"
#include "proto/frame.hpp"
#include "proto/message.hpp"

namespace runwire {
namespace {

constexpr std::size_t kReceiveBytes = std::size_t{128} << 10;
constexpr int kPings = 3;  // that a silent server is asked before it is given up
constexpr std::uint64_t kLongestPingMs = 86400000;

std::chrono::milliseconds interval_of(const ServerHello& hello) {
  return std::chrono::milliseconds(std::min(hello.ping_ms, kLongestPingMs));
}

std::string milliseconds(std::chrono::milliseconds time) { return std::to_string(time.count()) + " ms"; }

}  // namespace

Session::Session(Channel channel, std::uint64_t window, std::chrono::milliseconds patience)
    : channel_(std::move(channel)),
      patience_(patience),
      buffer_(std::make_unique_for_overwrite<char[]>(kReceiveBytes)),
      unsent_(kPreface),
      hello_by_(Clock::now() + patience) {
  unsent_ += frame_head(to_json(ClientHello{window}));
  queued_ = unsent_.size();
}

Status Session::send_frame(const std::string& header, std::string_view payload) {
  if (is_deaf_) return Ok{};
  const std::string head = frame_head(header);
  queued_ += head.size() + payload.size();
  const bool was_empty = unsent_bytes() == 0;
  std::size_t gone = 0;
  if (was_empty) {
    const auto written = channel_.write_now(head, payload);
    if (!written && written.error().code != Errc::closed) return written.error();
    is_deaf_ = !written.ok();
    gone = written ? *written : head.size() + payload.size();
  }
  if (gone < head.size()) unsent_.append(head, gone);
  unsent_.append(payload.substr(gone < head.size() ? 0 : gone - head.size()));
  return was_empty ? Status(Ok{}) : flush();
}

Status Session::flush() {
  while (unsent_bytes() > 0) {
    const auto written = channel_.write_now(std::string_view(unsent_).substr(sent_));
    if (!written && written.error().code != Errc::closed) return written.error();
    is_deaf_ = !written.ok();
    sent_ = is_deaf_ ? unsent_.size() : sent_ + *written;
    if (!is_deaf_ && *written == 0) break;
  }
  if (sent_ >= unsent_.size() / 2) {  // not at every step: what is left is moved
    unsent_.erase(0, sent_);
    sent_ = 0;
  }
  return Ok{};
}

Status Session::receive() {
  const auto n = channel_.read_now(buffer_.get(), kReceiveBytes);
  if (!n) return n.error().code == Errc::closed ? ended(n.error().message) : n.error();
  if (!*n) return Ok{};
  if (**n == 0) return ended("the server closed the connection");
  heard();
  reader_.feed({buffer_.get(), **n});
  return Ok{};
}

void Session::heard() {
  unanswered_pings_ = 0;
  if (hello_ && hello_->ping_ms > 0) ask_at_ = Clock::now() + interval_of(*hello_);
}

int Session::milliseconds_to_wake() const {
  if (!wake_at()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*wake_at() - Clock::now());
  return static_cast<int>(std::clamp<long long>(left.count(), 0, INT_MAX));
}

Status Session::await_hello() {
  for (;;) {
    const auto event = next();
    if (!event) return event.error();
    if (*event) return Error{Errc::refused, describe(std::get<SessionError>((*event)->message).error)};
    if (hello_) return Ok{};
    RUNWIRE_TRY(wait());
  }
}

Result<SessionEvent> Session::await_event() {
  for (;;) {
    auto event = next();
    if (!event) return event.error();
    if (*event) return std::move(**event);
    RUNWIRE_TRY(wait());
  }
}

Status Session::wait() {
  RUNWIRE_TRY(flush());
  pollfd watched = {fd(), static_cast<short>(POLLIN | (unsent_bytes() > 0 ? POLLOUT : 0)), 0};
  if (::poll(&watched, 1, milliseconds_to_wake()) > 0) RUNWIRE_TRY(receive());
  return keep_alive(Clock::now());
}

Status Session::keep_alive(Clock::time_point now) {
  if (!wake_at() || now < *wake_at()) return Ok{};
  if (!hello_)
    return unlikely_server(Errc::timeout, "the server did not say hello within " + milliseconds(patience_));
  if (unanswered_pings_ == kPings)
    return Error{Errc::closed, "the server answered none of " + std::to_string(kPings) +
                                   " pings and was silent for " +
                                   milliseconds((kPings + 1) * interval_of(*hello_))};
  ++unanswered_pings_;
  ask_at_ = now + interval_of(*hello_);
  return send(Ping{});
}

Error Session::ended(const std::string& why) const {
  return hello_ ? Error{Errc::closed, why} : unlikely_server(Errc::closed, why);
}

// Before its hello nobody knows what listens there.
Error Session::unlikely_server(Errc code, const std::string& why) {
  return {code, why + kNotRunwired + ", or give --plain if it is a server of the plain protocol only"};
}

Result<std::optional<SessionEvent>> Session::next() {
  if (broken_) return *broken_;
  for (;;) {
    const Piece piece = reader_.next();
    switch (piece.kind) {
      case Piece::need_more:
        return std::optional<SessionEvent>();
      case Piece::header: {
        auto event = take_header(piece.bytes);
        if (!event) broken_ = event.error();
        if (!event || *event) return event;
        break;
      }
      case Piece::payload:
        if (output_) return std::optional(take_output(piece.bytes));
        break;
      case Piece::end:
        output_.reset();
        break;
      case Piece::broken:
        broken_ = {Errc::protocol, "what the server says makes no sense: " + reader_.error()};
        if (!hello_) broken_ = unlikely_server(Errc::protocol, broken_->message);
        return *broken_;
    }
  }
}

Session::Taken Session::take_header(std::string_view json) {
  if (!hello_) return take_first_header(json);
  auto message = parse_server_message(json);
  if (!message)
    return Error{Errc::protocol, "what the server says makes no sense: " + message.error().message};
  return take_message(std::move(*message), json);
}

// It is a hello, or the refusal of a server that does not yet know, or cannot know, that a session was meant.
Session::Taken Session::take_first_header(std::string_view json) {
  auto message = parse_server_message(json);
  if (message && std::holds_alternative<ServerHello>(*message)) {
    hello_ = std::move(std::get<ServerHello>(*message));
    heard();
    return std::optional<SessionEvent>();
  }
  if (message && std::holds_alternative<SessionError>(*message))
    return std::optional(SessionEvent{std::move(*message), {}, json});
  const auto refusal = parse_reply_header(json);
  if (refusal && refusal->error)
    return std::optional(SessionEvent{SessionError{"", *refusal->error}, {}, json});
  return unlikely_server(Errc::protocol, "the server did not begin with hello");
}

Session::Taken Session::take_message(ServerMessage message, std::string_view json) {
  reader_.expect_payload(payload_bytes(message));
  if (auto* output = std::get_if<Output>(&message)) {
    const bool empty = output->len == 0;
    if (empty) return std::optional(SessionEvent{std::move(message), {}, {}});
    output_ = std::move(*output);
    return std::optional<SessionEvent>();
  }
  if (std::holds_alternative<Ping>(message)) {
    RUNWIRE_TRY(answer_ping());
    return std::optional<SessionEvent>();
  }
  if (std::holds_alternative<Pong>(message) || std::holds_alternative<Optional>(message))
    return std::optional<SessionEvent>();
  if (std::holds_alternative<ServerHello>(message))
    return Error{Errc::protocol, "the server said hello twice"};
  return std::optional(SessionEvent{std::move(message), {}, json});
}

// One that asks without an end and takes no answer must not fill our memory.
Status Session::answer_ping() {
  const bool is_being_answered = pong_ends_at_ > queued_ - unsent_bytes();
  if (is_being_answered) return Ok{};
  const auto sent = send(Pong{});
  pong_ends_at_ = queued_;
  return sent;
}

SessionEvent Session::take_output(std::string_view bytes) {
  Output piece = *output_;
  piece.len = bytes.size();
  output_->off += bytes.size();
  return {std::move(piece), bytes, {}};
}

Status Session::catch_up() {
  for (;;) {
    auto event = next();
    if (!event) return event.error();
    if (*event)
      return Error{Errc::protocol, "the server says something about a command, and none is running"};
    if (!channel_.has_input()) return flush();
    RUNWIRE_TRY(receive());
  }
}

}  // namespace runwire
