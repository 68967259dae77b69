// A conversation in the plain protocol: raw commands in, one frame out for each, one at a time.
//
// A request is not framed, so its end is guessed: bytes that arrive in one go while nothing runs are one command.
// Fewer than kUncutBytes start at once; a longer burst, and one that may still turn out to be HTTP, waits for
// kBurstQuietMs of silence. What arrives while a command runs is the next command.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proto/opening.hpp"
#include "server/byte_channel.hpp"
#include "server/job_table.hpp"
#include "server/memory_budget.hpp"
#include "server/reply_stream.hpp"
#include "server/wind_up.hpp"

namespace runwire {

inline constexpr std::size_t kRequestMemoryBytes = 16 << 20;  // of all requests that wait to be complete

class PlainSession {
 public:
  // REQUIRES: everything passed by reference outlives the session.
  PlainSession(ConnectionId id, ByteChannel& channel, JobTable& jobs, OutputStore& store,
               MemoryBudget& requests);

  void received(std::string_view bytes);
  void quiet();
  void half_closed();  // the client sends no more commands and may still read
  void drained();
  void command_finished(JobResult result);

  // Starts no more commands: the one that runs is answered, one that came behind it is told that it was not
  // started, and the conversation ends.
  void wind_up(WindUp why = WindUp::shutdown);

 private:
  enum class State { collecting, running, replying, over };
  enum class Excess { none, too_long, no_memory };

  void collect(std::string_view bytes);
  void forget_request();
  bool has_request() const { return !request_.empty() || excess_ != Excess::none; }
  void consider();
  bool refuse_opening(Opening opening);
  void submit();
  void reply(JobResult result);
  void reply_error(std::string_view error, std::string message);
  void reply_error(ErrorReply error);
  void pump_reply();
  void go_on();
  void refuse_to_start();
  void end();

  const ConnectionId id_;
  ByteChannel& channel_;
  JobTable& jobs_;
  OutputStore& store_;
  State state_ = State::collecting;
  Excess excess_ = Excess::none;      // the request under way is to be refused whole, and is not kept
  bool eof_ = false;                  // the client sends no more
  std::optional<WindUp> winding_up_;  // no command is started any more
  bool last_reply_ = false;           // what is answered now ends the conversation
  std::string request_;
  MemoryLease request_memory_;
  std::unique_ptr<ReplyStream> reply_;
};

}  // namespace runwire
