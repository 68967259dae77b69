// A conversation in frames: many commands at once, their input, output and signals. PROTOCOL.md, "Sessions".
//
// A command is known to the client by its id and to the daemon as a job; the session holds the two together until the
// command's last frame is out. What the client breaks the protocol with is answered by one error frame, the last.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "proto/frame_reader.hpp"
#include "proto/session_message.hpp"
#include "server/byte_channel.hpp"
#include "server/job_table.hpp"
#include "server/memory_budget.hpp"
#include "server/recent_ids.hpp"
#include "server/session_output.hpp"

namespace runwire {

inline constexpr int kMissedPings = 3;  // without a sign of life the peer counts as dead

class FrameSession final : private JobListener {
 public:
  struct Context {
    JobTable& jobs;
    OutputStore& store;
    MemoryBudget& requests;    // for starts that are not yet whole
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
  void take(const Optional&) {}

  void begin_start();
  void start(const Start& start, StartWords words);
  void refuse(const std::string& id, std::string_view error, std::string message);
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
  int missed_pings_ = 0;
  std::optional<std::uint64_t> window_;  // of each output; none: as the connection takes it
  std::uint64_t last_made_id_ = 0;

  // The frame that is being read.
  ClientMessage message_;
  std::string payload_;  // of a start
  MemoryLease payload_memory_;

  std::map<JobId, Command> commands_;
  std::unordered_map<std::string, JobId> by_id_;
  RecentIds ended_;
  std::deque<std::pair<JobId, StdStream>> blocked_;  // outputs that wait for the connection, in order
  SessionOutput output_;
};

}  // namespace runwire
