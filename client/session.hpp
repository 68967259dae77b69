// One conversation with a server in frames; PROTOCOL.md, "Sessions". It never waits: whoever owns it waits for fd(),
// and for other things besides.
//
//   session.send(start, payload);
//   for (;;) {
//     ... take session.next() until it gives nothing ...
//     ... session.flush(), wait for fd() at most until session.wake_at() ...
//     ... session.receive(), session.keep_alive(now) ...
//   }
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "client/channel.hpp"
#include "proto/frame_reader.hpp"
#include "proto/session_message.hpp"

namespace runwire {

// What the server has said: an Output, Started, Exit, SessionError, Stop or Credit. The bytes of an output come piece
// by piece, each as an Output of its own.
struct SessionEvent {
  ServerMessage message;
  std::string_view bytes;  // of an Output
  std::string_view
      json;  // the header as it came; empty for an Output. Both are valid until the next call of next()
};

class Session {
 public:
  using Clock = std::chrono::steady_clock;

  // Says hello: `window` bytes of output may come for each stream of a command ahead of Credit. The server's hello
  // must be there within `patience`.
  Session(Channel channel, std::uint64_t window, std::chrono::milliseconds patience);

  int fd() const { return channel_.fd(); }

  // Queues a message, behind it `payload`, and sends what the server takes now. That it takes nothing any more is no
  // error here: what it has said last can still be received.
  // REQUIRES: a message with a `len` says that of `payload`. ERRORS: io.
  template <class Message> Status send(const Message& message, std::string_view payload = {}) {
    return send_frame(to_json(message), payload);
  }
  Status flush();
  std::size_t unsent_bytes() const { return unsent_.size() - sent_; }

  // Takes in what is there now. REQUIRES: next() has nothing more to give.
  // ERRORS: closed (the server has ended the connection), io.
  Status receive();

  // What was received and not yet given out, in order. Answers pings on the way. Nothing: receive() more.
  // ERRORS: protocol, and then for ever; io.
  Result<std::optional<SessionEvent>> next();

  // What the server has said of itself; nothing before its hello was met by next().
  const std::optional<ServerHello>& hello() const { return hello_; }

  // Waits for the server's hello. ERRORS: refused (the server says why it wants no session), closed, timeout, protocol.
  Status await_hello();

  // What the server says next, for who waits for nothing else. ERRORS: as next(), receive() and keep_alive().
  Result<SessionEvent> await_event();

  // When keep_alive() must be called at the latest. It asks a silent server whether it is there.
  // ERRORS: timeout (no hello in time), closed (the server was silent for too long).
  Channel::Deadline wake_at() const { return hello_ ? ask_at_ : hello_by_; }
  int milliseconds_to_wake() const;  // for poll(2)
  Status keep_alive(Clock::time_point now);

  // Between two commands: answers what the server has asked meanwhile.
  // ERRORS: as receive() and next(); protocol (it says what belongs to no command).
  Status catch_up();

  // All is said: ends the connection without a reset. Nothing can be done with it afterwards.
  void close() { channel_.close_orderly(); }
  // Ends it with a reset, as its destruction does: the server ends what runs.
  void abandon() { channel_.abandon(); }

 private:
  using Taken = Result<std::optional<SessionEvent>>;

  Status wait();
  Status send_frame(const std::string& header, std::string_view payload);
  Status answer_ping();
  void heard();
  Error ended(const std::string& why) const;
  static Error unlikely_server(Errc code, const std::string& why);
  Taken take_header(std::string_view json);
  Taken take_first_header(std::string_view json);
  Taken take_message(ServerMessage message, std::string_view json);
  SessionEvent take_output(std::string_view bytes);

  Channel channel_;
  std::chrono::milliseconds patience_;
  std::unique_ptr<char[]> buffer_;  // what was received last; reader_ looks into it
  FrameReader reader_;
  std::optional<Output> output_;  // whose payload is arriving: of the piece that comes next
  std::optional<Error> broken_;
  std::string unsent_;
  std::size_t sent_ = 0;      // of it
  std::uint64_t queued_ = 0;  // in all, since the connection began; the last unsent_bytes() have not gone out
  std::uint64_t pong_ends_at_ = 0;  // the place in all that where the last answer to a ping ends
  bool is_deaf_ = false;            // the server takes nothing any more
  std::optional<ServerHello> hello_;
  Channel::Deadline hello_by_;
  Channel::Deadline ask_at_;  // nothing: never
  int unanswered_pings_ = 0;
};

}  // namespace runwire
