// The way to a kept command, over one connection after another: when to try for the next one, whether the daemon that
// answers is still the same, when to give up, and the words for all that.
//
//   greeting --meet()--> up --lose()--> down --try_again()--> greeting
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "client/command_request.hpp"
#include "client/pauses.hpp"
#include "client/pending_connection.hpp"
#include "client/session.hpp"

namespace runwire {

class KeptLine {
 public:
  using Clock = Session::Clock;

  // It begins with a connection that there is and that has not been greeted. `request` outlives this. `patience`: for
  // so long a lost connection is tried for, or as long as the daemon keeps anything.
  // `is_at_terminal`: the command, which is come back to with another one.
  KeptLine(const CommandRequest& request, std::string id, std::chrono::milliseconds patience,
           bool is_at_terminal);
  KeptLine(const KeptLine&) = delete;
  KeptLine& operator=(const KeptLine&) = delete;

  bool has_met() const { return boot_.has_value(); }  // a daemon, which may have the command since
  bool is_greeting() const { return state_ == State::greeting; }
  bool is_up() const { return state_ == State::up; }
  bool is_down() const { return state_ == State::down; }

  // The daemon has said hello. ERRORS: closed: it is another one than before.
  Status meet(const ServerHello& hello);

  // The connection has gone. One that ended before any daemon was met is tried anew as long as connecting may take: a
  // daemon that upgrades itself takes connections that it cannot greet. ERRORS: the first `why`, where no daemon was
  // met in that time; closed: given up.
  Status lose(const Error& why);
  // The command is followed again; the next loss is a first one.
  void found();

  // While it is down, what to wait for: this descriptor, if any, to be readable, and so long at most. Nobody need wait.
  int fd() const { return pending_ ? pending_->fd() : -1; }
  int milliseconds_to_wake() const;
  // What is to be done by then, and no waiting: a connection is tried for, is put in the place of `session`, or could
  // not be had, and there is another pause. ERRORS: as lose().
  Status try_again(Session& session);

  // To be said to somebody who wants to know: a loss since the last call; how it stands while it is down; once the
  // command is about to be followed again, that it is, if it was not.
  std::optional<std::string> take_news();
  std::string standing() const;
  std::optional<std::string> good_news() const;

  // The server's reason not to have the command followed, and the next step.
  Error refused(const ErrorReply& error) const;
  // A failure that is not the command's end, and how to come back.
  Error left(const Error& why) const;
  Error detached() const;

 private:
  enum class State { greeting, up, down };

  std::string command_line(const char* verb) const;
  std::string time_lost() const;
  Error given_up() const;

  const CommandRequest& request_;
  std::string id_;
  std::chrono::milliseconds patience_;
  bool is_at_terminal_;
  State state_ = State::greeting;
  Pauses pauses_;
  std::optional<PendingConnection> pending_;  // a try
  std::optional<std::string> boot_;
  std::optional<Clock::time_point> lost_at_;  // since then it has not been followed
  Clock::time_point begun_at_ = Clock::now();
  std::optional<Error> never_met_;  // why the first connection ended, if that was before its greeting
  Clock::time_point try_at_;
  std::string why_;        // it is down
  bool is_found_ = false;  // over this connection
  bool has_news_ = false;
};

}  // namespace runwire
