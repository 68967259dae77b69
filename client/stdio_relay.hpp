// Carries one command's stdin, stdout, stderr and signals over a session, until the command's end is known or will never
// be. None of them holds up another, whoever stands still.
#pragma once

#include <poll.h>

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "client/relay_ending.hpp"
#include "client/relay_input.hpp"
#include "client/relay_output.hpp"
#include "client/session.hpp"
#include "client/session_command.hpp"
#include "client/signals.hpp"
#include "client/terminal_mode.hpp"

namespace runwire {

class KeptLine;

// So much output of each stream may be on its way to us, or wait here for its reader.
inline constexpr std::uint64_t kOutputWindow = std::uint64_t{1} << 20;

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
    bool escalates = false;            // the second interrupt in a row is sent as TERM
    bool leaves_on_signal =
        false;  // TERM, INT and HUP are sent, and end this program, too, a second later at the latest
    bool verbose = false, quiet = false;
    std::string server;         // named in a failure that is the server's; empty: not
    bool ends_session = false;  // as soon as the command has ended; else the session can be used again
    Until until = Until::exit;
    // Of a kept command, which is come back to: `session` stands for one connection after another. Null: its end is that
    // of the command. Outlives this.
    KeptLine* line = nullptr;
    bool asks = false;          // a person at the terminal, what an interrupt is to mean; with `line`
    bool obeys_escape = false;  // in stdin: who types it detaches; with `line` and `terminal`
    bool leaves_without_reader = false;  // of the output; else the command's streams are stopped
  };
  using Opening = std::variant<Start, Attach>;

  // For the command that is started or followed, which has an id. REQUIRES: `session` has no command that runs, and
  // outlives this.
  StdioRelay(Session& session, Opening opening, const Options& options);

  // Starts or follows it and returns when it has ended and its output is out; once. `payload` is what a start announces.
  // After a failure the session is of no further use.
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
  bool is_at_terminal() const { return options_.terminal != nullptr && options_.terminal->is_raw(); }
  Status conclude(const Error& error);
  template <class Message> Status send(const Message& message, std::string_view payload = {});
  Status of_session(Status status);
  Status lost(const std::string& why);
  bool can_talk() const;
  Watched watch();
  pollfd watch_output(StdStream stream);
  Status hear();
  Status take(const SessionEvent& event);
  Status take_started(const Started& started, std::string_view json);
  Status take_gap(const Gap& gap, std::string_view json);
  Status take_error(const SessionEvent& event, const SessionError& error);
  Status found();
  bool is_enough() const;
  Status leave_it();
  Status end(const SessionEvent& event);
  Status obey_signals();
  Status obey(int number);
  Status obey_terminal(int number);
  Status tell_size();
  Status tell_size_if_due();
  Status have_it_redrawn();
  Status obey_of_kept(int number);
  Status detach();
  Status detach_by_escape();
  void warn_of_detaching();
  Status forward(int number);
  Error leave();
  int milliseconds_to_leave() const;
  int milliseconds_to_tell_size() const;
  int milliseconds_to_wake() const;
  Status forward_stdin();
  std::size_t stdin_room() const;
  std::size_t stdin_bytes_wanted();
  std::size_t keys_wanted();
  Status send_stdin();
  Status look_after(StdStream stream, const pollfd& seen);
  Status look_after_output(const Watched& watched);
  Status settle(StdStream stream, const Status& written);
  Status stop(StdStream stream);
  void fail(const Error& error);
  void drain();
  void give_up(int number);
  bool is_over() const { return ending_.exit || ending_.refusal || ending_.failure || ending_.was_enough; }

  Session& session_;
  Opening opening_;
  std::string_view payload_;  // of a start
  Options options_;
  SessionCommand command_;
  RelayOutput output_;
  RelayInput input_;
  std::optional<KeptState> present_;  // its streams, as they were when it was found
  std::vector<int> signals_to_send_;  // as soon as there is somebody to take them
  bool session_is_lost_ = false;      // the failure is the session's
  bool was_lost_ = false;
  int interrupts_in_a_row_ = 0;
  int leaving_signal_ = 0;  // which had us leave; 0: none yet
  Session::Clock::time_point leave_by_;
  std::optional<Session::Clock::time_point> size_due_;  // the command has been told another one
  RelayEnding ending_;
};

}  // namespace runwire
