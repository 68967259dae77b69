// Compares what a session tells of one command with what is expected: order of frames, offsets, every byte, counts and
// status. The first flaw is kept; a command goes on after it, for the frames are still frames.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bench/failure.hpp"
#include "bench/reply_check.hpp"
#include "proto/session_message.hpp"

namespace runwire {

class SessionCheck {
 public:
  // `expected` outlives the check.
  explicit SessionCheck(const Expectation& expected) : expected_(expected) {}

  // A command begins whose answer has this form.
  void begin(ReplyForm form);

  // The next turn of a conversation: the expected payload comes once more.
  void begin_turn();
  bool turn_is_whole() const { return seen(StdStream::out) - turn_ >= expected_.size(); }

  // A frame's header, the pieces of its payload, and for an exit its end.
  void started();
  void output(const Output& output);
  void exit(const Exit& exit);
  void error(const ErrorReply& error);
  void payload(std::string_view piece);
  void end_of_exit();

  // A frame that has no place here.
  void misplaced(std::string_view what);

  std::uint64_t seen(StdStream stream) const { return seen_[stream == StdStream::err ? 1 : 0]; }
  bool has_started() const { return started_; }

  // What was wrong first, and in what words. Nothing: all is right so far.
  std::optional<Failure> failure() const { return failure_; }
  const std::string& why() const { return why_; }

 private:
  std::uint64_t expected_bytes(StdStream stream) const;
  void compare(StdStream stream, std::string_view piece);
  void compare_with_text(StdStream stream, std::uint64_t at, std::string_view piece);
  void check_count(StdStream stream, std::uint64_t told);
  void fail(Failure failure, std::string why);

  const Expectation& expected_;
  ReplyForm form_ = ReplyForm::whole;
  bool started_ = false;
  std::array<std::uint64_t, 2> seen_{};  // bytes of stdout and of stderr
  bool converses_ = false;
  std::uint64_t turn_ = 0;             // so much of stdout came before this turn of a conversation
  StdStream stream_ = StdStream::out;  // that the present payload belongs to
  std::optional<Exit> exit_;
  std::optional<Failure> failure_;
  std::string why_;
};

}  // namespace runwire
