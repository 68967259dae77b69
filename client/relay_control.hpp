// What somebody here wants while a command is relayed, be it by a signal or by a key: something of the command, to stop
// for a while, or to leave it, whatever state the connection is in. A person may be asked which of these.
#pragma once

#include <optional>
#include <vector>

#include "client/interrupt_question.hpp"
#include "client/output_relay.hpp"
#include "client/relay_ending.hpp"
#include "client/relay_link.hpp"
#include "client/relay_terminal.hpp"
#include "client/signal_reading.hpp"
#include "client/signals.hpp"
#include "client/stdin_relay.hpp"

namespace runwire {

class KeptLine;

class RelayControl {
 public:
  struct Options {
    Signals* signals = nullptr;  // null: none are caught
    KeptLine* line = nullptr;    // null: the command is not kept
    SignalReading::Options reading;
    bool asks = false;  // there is a person at the terminal; with `line`
    bool quiet = false;
  };
  // What it is about. It tells `ending` of whoever leaves.
  struct Parts {
    RelayLink& link;
    StdinRelay& in;
    OutputRelay& output;
    RelayTerminal& terminal;
    RelayEnding& ending;
  };

  // All that these name outlives this.
  RelayControl(const Parts& parts, const Options& options)
      : parts_(parts), options_(options), reading_(options.reading) {}

  // Those that have come. ERRORS: closed: he leaves a command that is not kept; io and the link's.
  Status obey_signals();
  // What stdin has, which goes to the command but for what is meant for us. ERRORS: likewise.
  Status take_stdin();
  // There is somebody again to take signals: those that came meanwhile. ERRORS: the link's.
  Status forward_late_signals();

  // Of who leaves on a signal: which one, and in how long; 0 and -1: nobody does.
  int leaving_signal() const { return reading_.leaving_signal(); }
  int milliseconds_to_leave() const { return reading_.milliseconds_to_leave(); }
  // He does it now.
  Error leave();
  // Of a kept command: the same, and it goes on.
  Status detach();

 private:
  Status obey(int number);
  Status take_keys(Escape& escape);
  std::optional<InterruptMeaning> ask();
  Status ask_about(int number);
  Status ask_about_key(char key);
  Status forward(int number);
  void warn();
  void stop_job();
  Status detach_from_keys();

  Parts parts_;
  Options options_;
  SignalReading reading_;
  std::vector<int> late_signals_;
};

}  // namespace runwire
