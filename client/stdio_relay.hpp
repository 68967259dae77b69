// Carries one command's stdin, stdout, stderr and signals over a session, until the command's end is known or will
// never be. None of them holds up another, whoever stands still.
//
// Who does what: RelayLink is the way to the server, StdinRelay and OutputRelay carry the bytes, RelayTerminal has the
// terminal's size, RelayControl obeys whoever is here, KeptLine says when there is another connection. Here they take
// turns, and what the server says is heard.
#pragma once

#include <poll.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "client/output_relay.hpp"
#include "client/relay_control.hpp"
#include "client/relay_ending.hpp"
#include "client/relay_link.hpp"
#include "client/relay_terminal.hpp"
#include "client/session.hpp"
#include "client/session_command.hpp"
#include "client/signals.hpp"
#include "client/stdin_relay.hpp"
#include "client/terminal_mode.hpp"

namespace runwire {

class KeptLine;

class StdioRelay {
 public:
  // What is waited for: the command's exit; that it runs; what there is of its output when it is found.
  enum class Until { exit, started, present };

  struct Options {
    int in_fd = 0;
    bool forwards_stdin = true;
    RelayOutput::Options output;       // its encoding is that of stdin, too
    Signals* signals = nullptr;        // to be forwarded; null: none. Outlives this
    TerminalMode* terminal = nullptr;  // of a command that has one over there; null: none. Outlives this
    bool escalates = false;            // as SignalReading::Options have it
    bool leaves_on_signal = false;     // likewise
    bool verbose = false, quiet = false;
    std::string server;         // named in a failure that is the server's; empty: not
    bool ends_session = false;  // as soon as the command has ended; else the session can be used again
    Until until = Until::exit;
    // Of a kept command, which is come back to: `session` stands for one connection after another. Null: its end is
    // that of the command. Outlives this.
    KeptLine* line = nullptr;
    bool asks = false;          // a person at the terminal, what an interrupt is to mean; with `line`
    bool obeys_escape = false;  // in stdin, once the terminal is raw; with `line` and `terminal`
    bool leaves_without_reader = false;  // of the output; else the command's streams are stopped
  };
  using Opening = std::variant<Start, Attach>;

  // For the command that is started or followed, which has an id. REQUIRES: `session` has no command that runs, and
  // outlives this.
  StdioRelay(Session& session, Opening opening, const Options& options);

  // Starts or follows it and returns when it has ended and its output is out; once. `payload` is what a start
  // announces. After a failure the session is of no further use.
  RelayEnding run(std::string_view payload);

 private:
  enum Slot { kSocket, kSignals, kIn, kOut, kErr, kSlots };
  using Watched = std::array<pollfd, kSlots>;

  Status take_turn();
  Status talk();
  Status await_line();
  Status lose(const Error& why);
  Status greet();
  Status open();
  Watched watch();
  bool has_terminal_gone(const Watched& watched);
  Status look_after(const Watched& watched);
  int milliseconds_to_wake() const;

  Status hear();
  Status take(const SessionEvent& event);
  Status take_started(const Started& started, std::string_view json);
  Status found();
  void take_first_look();
  void tell_of_line();
  Status take_gap(const Gap& gap, std::string_view json);
  Status take_error(const SessionEvent& event, const SessionError& error);
  bool is_enough() const;
  Status end(const SessionEvent& event);

  Status conclude(const Error& error);
  void fail(const Error& error);
  void drain();
  void give_up(int number);

  Session& session_;
  Opening opening_;
  std::string_view payload_;  // of a start
  Options options_;
  SessionCommand command_;
  RelayEnding ending_;
  RelayLink link_;
  OutputRelay output_;
  StdinRelay stdin_;
  RelayTerminal terminal_;
  RelayControl control_;
  std::optional<KeptState> present_;  // its streams, as they were when it was found
  bool was_lost_ = false;
};

}  // namespace runwire
