// A conversation in frames: many commands at once, their input, output and signals. PROTOCOL.md, "Sessions".
//
// A command is known to the client by its id and to the daemon as a job; the session holds the two together until the
// command's last frame is out. What the client breaks the protocol with is answered by one error frame, the last.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "proto/frame_reader.hpp"
#include "proto/session_message.hpp"
#include "server/byte_channel.hpp"
#include "server/job_table.hpp"
#include "server/memory_budget.hpp"
#include "server/recent_ids.hpp"
#include "server/session_output.hpp"

namespace runwire {

inline constexpr int kMissedPings = 3;                       // without a sign of life the peer counts as dead
inline constexpr std::size_t kInputMemoryBytes = 256 << 20;  // of all sessions' commands
// Small frames cost more than their bytes: after so many of them others have their turn.
inline constexpr std::size_t kFramesATurn = 256;
// Answers that a client has not taken; from there on it is not heard.
inline constexpr std::size_t kUnsentBytes = 1 << 20;

class FrameSession final : private JobListener {
 public:
  struct Context {
    JobTable& jobs;
    OutputStore& store;
    MemoryBudget& requests;    // for starts that are not yet whole, or whose commands wait
    MemoryBudget& inputs;      // for stdin that waits for commands
    std::size_t max_replies;   // whole ones of a session, from their start until they have left
    const ServerHello& hello;  // what every client is told
  };

  // REQUIRES: everything passed by reference outlives the session, and the client is abandoned in `jobs` before the
  // session dies.
  FrameSession(ConnectionId id, ByteChannel& channel, const Context& context);
  FrameSession(const FrameSession&) = delete;
  FrameSession& operator=(const FrameSession&) = delete;

  void received(std::string_view bytes);
  void quiet();
  void drained() { output_.drained(); }
  void command_finished(JobId id, JobResult result);
  // The connection has gone, perhaps while the session was saying something: it starts nothing more.
  void closed() { enter(State::over); }
  // Whether the client is to be heard in this turn of the loop, and whether as long as it takes nothing.
  bool has_had_its_turn() const { return frames_this_turn_ >= kFramesATurn; }
  bool owes_too_much() const { return output_.owed_bytes() + channel_.unsent() > kUnsentBytes; }
  void next_turn() { frames_this_turn_ = 0; }
  // Starts no more commands; when the last one has ended the conversation does.
  void wind_up();

 private:
  enum class State { preface, hello, open, over };

  // One output of a command, on its way to the client.
  struct Flow {
    std::uint64_t sent = 0;
    std::uint64_t window = 0;  // so much more may be sent
    bool starved = false;      // it waits for credit
    bool blocked = false;      // it stands in blocked_
  };
  struct Command {
    std::string id;
    ReplyForm form = ReplyForm::stream;
    bool takes_stdin = false;
    std::uint64_t input_off = 0;      // place of the next byte of input
    std::uint64_t input_allowed = 0;  // place of the first one that may not come yet
    std::uint64_t input_owed = 0;     // taken by the command, and not yet given as credit
    bool input_ended = false;
    Flow out, err;
    std::optional<pid_t> untold_pid = {};  // it is started, and the client has not yet been told
    MemoryLease request_memory;            // until it is started
    MemoryLease input_memory;
  };

  void job_started(JobId id, pid_t pid) override;
  std::size_t output_room(JobId id, StdStream stream) override;
  void job_output(JobId id, StdStream stream, std::string_view bytes) override;
  void input_taken(JobId id, std::size_t bytes) override;
  void input_closed(JobId id) override;

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
  void take(const Ping& ping);
  void take(const Pong&) {}
  void take(const Reserved& reserved);
  void take(const List& list);
  template <class Verb> void take(const Verb& verb);
  void take(const Optional&) {}

  void begin_start();
  // Why a start can't be obeyed; empty where it can.
  ErrorReply objection_to(const Start& start) const;
  std::size_t whole_replies() const;
  void start(const Start& start, StartWords words, MemoryLease request_memory);
  JobRequest request_for(const Start& start, StartWords words) const;
  void tell_started(Command& command);
  void tell_older_ones();
  void refuse(const std::string& id, ErrorReply error);
  std::string make_id();
  // The command that a message is about; null where it is over, or, the session then being over too, there never was one.
  std::pair<const JobId, Command>* find(const std::string& id);
  void forget(JobId id);
  void finish(const Command& command, JobResult result);

  static Flow& flow_of(Command& command, StdStream stream);
  void has_room();
  void resume_blocked();
  void await_life();
  void fail(std::string_view error, std::string message);
  void end_if_idle();
  void enter(State next);

  const ConnectionId id_;
  ByteChannel& channel_;
  const Context context_;
  State state_ = State::preface;
  bool winding_up_ = false;
  FrameReader reader_;
  std::size_t preface_left_ = kPreface.size();
  std::uint64_t hello_due_ms_ = 0;  // loop time
  std::uint64_t over_due_ms_ = 0;   // loop time; when the last word has waited long enough
  int missed_pings_ = 0;
  std::uint64_t drains_at_ping_ = 0;
  std::size_t frames_this_turn_ = 0;
  std::optional<std::uint64_t> window_;  // of each output; none: as the connection takes it
  std::uint64_t last_made_id_ = 0;

  // The frame that is being read.
  ClientMessage message_;
  std::string payload_;        // of a start
  bool payload_lost_ = false;  // there was no memory for it
  MemoryLease payload_memory_;

  std::map<JobId, Command> commands_;
  std::unordered_map<std::string, JobId> by_id_;
  RecentIds ended_;
  std::vector<std::pair<JobId, StdStream>> blocked_;  // outputs that wait for the connection, in order
  std::vector<JobId> untold_;                         // in the order of their start; some are told by now
  Handle<uv_timer_t> tell_timer_;
  SessionOutput output_;
};

}  // namespace runwire
