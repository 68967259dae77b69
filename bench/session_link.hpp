// One connection that is a session, and the lanes whose commands it carries: the preface and the hellos, frames out
// and in, each to the lane it is about, and an answer to every ping.
#pragma once

#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "bench/lane.hpp"
#include "proto/frame_reader.hpp"
#include "proto/session_message.hpp"

namespace runwire {

class SessionLane;

class SessionLink {
 public:
  enum class State { closed, waiting, connecting, greeting, open };

  // `token` is what the readiness knows its socket by. `target` outlives the link.
  SessionLink(Target& target, std::uint32_t token) : target_(target), token_(token) {}
  ~SessionLink() { close(); }
  SessionLink(const SessionLink&) = delete;
  SessionLink& operator=(const SessionLink&) = delete;

  // `lane` outlives the link's connection and is told of it from now on.
  void carry(SessionLane& lane) { lanes_.push_back(&lane); }
  bool is_shared() const { return lanes_.size() > 1; }

  // Connects; its lanes hear when the session is open. The result is pending, queue_full (call it again a little
  // later), or lost: failure() says why. REQUIRES: closed or waiting.
  Step connect();

  // The socket is ready. Appends what came of it for each lane.
  void on_ready(const Ready& ready, std::vector<Told>& told);

  void close();

  State state() const { return state_; }
  std::uint64_t stdin_window() const { return stdin_window_; }

  // The last failure of the connection.
  Failure failure() const { return failure_; }
  const std::string& why() const { return why_; }

  // What these send goes out in this order, now or when the socket takes it. A failure to send shows when reading.
  // REQUIRES: open.
  void send(std::string_view header_json, std::string_view payload = {});

  // The same without a copy of `payload`, which must stay alive. REQUIRES: takes_bulk().
  void send_bulk(std::string_view header_json, std::string_view payload);
  bool takes_bulk() const { return out_.size() == gone_ && bulk_.empty(); }

  // The lane's feed() is called as soon as there is room for a piece, and again until it says that it has no more for
  // now; each lane in its turn.
  void want_to_feed(SessionLane& lane);
  void forget_feeder(const SessionLane& lane);

  // Ends the command, whose remaining frames are passed over.
  void abandon(const std::string& id);

 private:
  void greet();
  void on_connect_decided(std::vector<Told>& told);
  void receive(std::vector<Told>& told);
  void digest(std::string_view bytes, std::vector<Told>& told);
  void route(const ServerMessage& message, std::vector<Told>& told);
  void on_hello(const ServerHello& hello, std::vector<Told>& told);
  void find_addressee(const std::string& id, bool is_last, std::vector<Told>& told);
  SessionLane* lane_of(const std::string& id) const;
  void flush();
  bool write_some();
  void fail(Failure failure, std::string why, std::vector<Told>& told);
  void want(Interest interest);
  Step refuse(Failure failure, std::string why);

  Target& target_;
  const std::uint32_t token_;
  std::vector<SessionLane*> lanes_;
  State state_ = State::closed;
  UniqueFd fd_;
  Interest interest_ = Interest::read;
  std::uint64_t stdin_window_ = 0;

  // Going out, in this order: `out_` from `gone_` on, `bulk_`, `behind_`.
  std::string out_;
  std::size_t gone_ = 0;
  std::string_view bulk_;
  std::string behind_;
  bool cannot_send_ = false;
  std::deque<SessionLane*> feeders_;

  FrameReader reader_;
  SessionLane* addressee_ = nullptr;  // of the frame that is being read; none: it is passed over
  std::set<std::string> abandoned_;
  Failure failure_ = Failure::closed;
  std::string why_;
};

}  // namespace runwire
