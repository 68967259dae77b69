// A server's shell over one session, as the person at the prompt sees it: command after command, output as it comes, an
// exit status each. It connects when it must, and tells on stderr what else there is to know.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "client/command_start.hpp"
#include "client/remote_shell.hpp"
#include "client/session.hpp"

namespace runwire {

class SessionShell {
 public:
  using Options = CommandRequest;  // for each line, which takes the place of its words and gets no stdin

  // ERRORS: invalid_argument (unknown encoding). It does not connect yet.
  static Result<SessionShell> open(Options request);

  // From now on Ctrl-C goes to the running command; the second one as TERM, the third ends the connection. `interrupt`
  // must outlive this.
  void obey(Signals& interrupt) { interrupt_ = &interrupt; }

  // So that a wrong HOST is told before the first command is typed. False: it is said on stderr why not.
  bool connect();

  // Runs one line, which gets no stdin, and returns when its output is out. Connects first where there is no connection
  // or the server has closed it since; never sends a line twice.
  Outcome run(const std::string& line);

  // All is done: ends the connection without a reset.
  void close();

 private:
  SessionShell(Options request, std::optional<Encoding> encoding);
  Status prepare_session();
  Status keep_session();
  Result<CommandStart> prepare(const std::string& line);
  RelayEnding relay(const CommandStart& command);
  Encoding* encoding() { return encoding_ ? &*encoding_ : nullptr; }

  Options request_;
  std::optional<Encoding> encoding_;
  std::optional<Session> session_;
  Signals* interrupt_ = nullptr;
  std::uint64_t commands_ = 0;  // so far, for their ids
};

}  // namespace runwire
