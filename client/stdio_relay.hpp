// Carries one command's stdin, stdout, stderr and signals over a session, until the command's end is known or will never
// be. None of them holds up another, whoever stands still.
#pragma once

#include <poll.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "client/relay_ending.hpp"
#include "client/relay_output.hpp"
#include "client/session.hpp"
#include "client/session_command.hpp"
#include "client/shared_descriptor.hpp"
#include "client/signals.hpp"
#include "client/terminal_mode.hpp"

namespace runwire {

// So much output of each stream may be on its way to us, or wait here for its reader.
inline constexpr std::uint64_t kOutputWindow = std::uint64_t{1} << 20;

class StdioRelay {
 public:
  struct Options {
    int in_fd = 0;
    bool forwards_stdin = true;
    RelayOutput::Options output;       // its encoding is that of stdin, too
    Signals* signals = nullptr;        // to be forwarded; null: none. Outlives this
    TerminalMode* terminal = nullptr;  // of a command that has one over there; null: none. Outlives this
    bool escalates = false;            // the second interrupt in a row is sent as TERM
    bool leaves_on_signal =
        false;  // TERM, INT and HUP are sent, and end this program, too, a second later at the latest
    bool verbose = false, quiet = false;
    std::string server;         // named in a failure that is the server's; empty: not
    bool ends_session = false;  // as soon as the command has ended; else the session can be used again
  };

  // For the command `start`, which has an id. REQUIRES: `session` has no command that runs, and outlives this.
  StdioRelay(Session& session, const Start& start, const Options& options);

  // Starts it and returns when it has ended and its output is out; once. `payload` is what the start announces. After a
  // failure the session is of no further use.
  RelayEnding run(std::string_view payload);

 private:
  enum Slot { kSocket, kSignals, kIn, kOut, kErr, kSlots };
  using Watched = std::array<pollfd, kSlots>;

  Status take_turn();
  Watched watch();
  pollfd watch_output(StdStream stream);
  Status hear();
  Status take(const SessionEvent& event);
  Status end(const SessionEvent& event);
  Status obey_signals();
  Status obey(int number);
  Status obey_terminal(int number);
  Error leave();
  int milliseconds_to_leave() const;
  int milliseconds_to_wake() const;
  Status forward_stdin();
  std::size_t stdin_room() const;
  std::size_t stdin_bytes_wanted() const;
  Status send_converted_stdin();
  Status look_after(StdStream stream, const pollfd& seen);
  Status settle(StdStream stream, const Status& written);
  Status stop(StdStream stream);
  void fail(const Error& error);
  void drain();
  void give_up(int number);
  bool is_over() const { return ending_.exit || ending_.refusal || ending_.failure; }

  Session& session_;
  Start start_;
  Options options_;
  SessionCommand command_;
  RelayOutput output_;
  SharedDescriptor in_;
  std::unique_ptr<char[]> in_buffer_;
  std::string converted_;      // of stdin: what the server has no room for yet
  bool in_has_ended_ = false;  // and was converted to its end
  int interrupts_in_a_row_ = 0;
  int leaving_signal_ = 0;  // which had us leave; 0: none yet
  Session::Clock::time_point leave_by_;
  RelayEnding ending_;
};

}  // namespace runwire
