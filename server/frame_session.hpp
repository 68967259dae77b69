// A conversation in frames: many commands at once, their input, output and signals. PROTOCOL.md, "Sessions".
//
// Here is what is said before and around the commands: opening, reading, life and end. What the client breaks the
// protocol with is answered by one error frame, the last.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proto/frame_reader.hpp"
#include "proto/session_message.hpp"
#include "server/byte_channel.hpp"
#include "server/memory_budget.hpp"
#include "server/session_commands.hpp"
#include "server/session_followings.hpp"
#include "server/session_ground.hpp"
#include "server/session_listing.hpp"
#include "server/wind_up.hpp"

namespace runwire {

inline constexpr int kMissedPings = 3;                       // without a sign of life the peer counts as dead
inline constexpr std::size_t kInputMemoryBytes = 256 << 20;  // of all sessions' commands
// Small frames cost more than their bytes: after so many of them others have their turn.
inline constexpr std::size_t kFramesATurn = 256;
// Answers that a client has not taken; from there on it is not heard.
inline constexpr std::size_t kUnsentBytes = 1 << 20;

class FrameSession final {
 public:
  using Context = SessionContext;

  // REQUIRES: everything passed by reference outlives the session, and the client is abandoned in `jobs` before the
  // session dies.
  FrameSession(ConnectionId id, ByteChannel& channel, const Context& context);
  FrameSession(const FrameSession&) = delete;
  FrameSession& operator=(const FrameSession&) = delete;

  void received(std::string_view bytes);
  void quiet();
  void drained() { ground_.output.drained(); }
  void command_finished(JobId id, JobResult result);
  // The connection has gone, perhaps while the session was saying something: it starts nothing more.
  void closed() { enter(State::over); }
  // Whether the client is to be heard in this turn of the loop, and whether as long as it takes nothing.
  bool has_had_its_turn() const { return frames_this_turn_ >= kFramesATurn; }
  bool owes_too_much() const { return ground_.output.owed_bytes() + channel_.unsent() > kUnsentBytes; }
  void next_turn() { frames_this_turn_ = 0; }
  // Starts no more commands; when the last one has ended the conversation does.
  void wind_up(WindUp why = WindUp::shutdown);
  // Ends it now, with the commands that are its own.
  void say_farewell(WindUp why) { fail(farewell_of(why)); }

 private:
  enum class State { preface, hello, open, over };

  std::string_view take_preface(std::string_view bytes);
  void take_pieces();
  void take_header(std::string_view json);
  void take_payload(std::string_view bytes);
  void take_end();

  void take(const ClientHello& hello);
  void take(Start start);
  void take(const StdinBytes& input);
  void take(const Signal& signal);
  void take(const Stop& stop);
  void take(const Credit& credit);
  void take(const Attach& attach);
  void take(const Detach& detach);
  void take(const Cancel& cancel);
  void take(const Forget& forget);
  void take(const Resize& resize);
  void take(const Ping& ping);
  void take(const Pong&) {}
  void take(const Reserved& reserved);
  void take(const List&) { listing().ask(); }
  void take(const Optional&) {}

  void begin_start();
  // Why a start can't be obeyed; empty where it can.
  ErrorReply objection_to(const Start& start) const;
  void start(const Start& start, std::string_view payload, MemoryLease memory);
  void start_recorded(const Start& start, StartWords words, std::string_view payload, MemoryLease memory);
  // Whether it had been started before, and is answered.
  bool repeat(const Start& start, std::string_view payload);
  void refuse(const std::string& id, ErrorReply error);
  std::string make_id();
  bool is_in_use(const std::string& id) const;
  // Hands a message to the command that it is about; false where that is none of this session's.
  template <class Message> bool hand_on(const Message& message);
  // A message about a command that is none of this session's, or not any more.
  void miss(const std::string& id);
  void answer(const std::string& id, ErrorReply error);  // to a message that is not obeyed
  ErrorReply nothing_kept(const std::string& id) const;  // under that id
  SessionFollowings& followings();
  SessionListing& listing();

  void has_room();
  void await_life();
  void fail(std::string_view error, std::string message);
  void fail(ErrorReply error);
  void end_if_idle();
  void enter(State next);

  ByteChannel& channel_;
  State state_ = State::preface;
  std::optional<WindUp> winding_up_;
  FrameReader reader_;
  std::size_t preface_left_ = kPreface.size();
  std::uint64_t hello_due_ms_ = 0;  // loop time
  std::uint64_t over_due_ms_ = 0;   // loop time; when the last word has waited long enough
  int missed_pings_ = 0;
  std::uint64_t drains_at_ping_ = 0;
  std::size_t unsent_at_ping_ = 0;
  std::size_t frames_this_turn_ = 0;
  std::uint64_t last_made_id_ = 0;

  // The frame that is being read.
  ClientMessage message_;
  std::string payload_;        // of a start
  bool payload_lost_ = false;  // there was no memory for it

  SessionGround ground_;
  const Context& context_;
  MemoryLease payload_memory_;
  SessionCommands commands_;
  std::unique_ptr<SessionFollowings> followings_;  // made when first needed: most sessions have none
  std::unique_ptr<SessionListing> listing_;        // likewise
  bool followings_first_ = false;                  // they and the other commands take turns
};

}  // namespace runwire
