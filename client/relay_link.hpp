// The way from a relay to the server: over one session, or, of a kept command, over one after another. It tells a
// failure of the way from others.
#pragma once

#include <string>
#include <string_view>

#include "client/session.hpp"
#include "client/session_command.hpp"

namespace runwire {

class KeptLine;

class RelayLink {
 public:
  // `line`: null where the session's end is that of the command. All outlive this.
  RelayLink(Session& session, SessionCommand& command, KeptLine* line)
      : session_(session), command_(command), line_(line) {}

  Session& session() const { return session_; }
  SessionCommand& command() const { return command_; }
  bool is_kept() const { return line_ != nullptr; }

  // The server knows, or is about to be told, what command is meant.
  bool can_talk() const;

  template <class Message> Status send(const Message& message, std::string_view payload = {}) {
    return note(session_.send(message, payload));
  }
  // Gives back what the session has answered.
  Status note(Status status);
  Status lost(const std::string& why) { return note(Error{Errc::closed, why}); }

  // True, and once, after a failure that another connection may mend.
  bool take_loss();

 private:
  Session& session_;
  SessionCommand& command_;
  KeptLine* line_;
  bool is_lost_ = false;
};

}  // namespace runwire
