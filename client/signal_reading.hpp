// What the signals that come here mean, one after the other: something to the command, or that somebody here wants to
// leave it. It does nothing about them.
#pragma once

#include <chrono>

namespace runwire {

class SignalReading {
 public:
  using Clock = std::chrono::steady_clock;

  struct Options {
    bool is_kept = false;    // who leaves lets the command go on
    bool escalates = false;  // the second interrupt in a row is sent as TERM
    bool leaves_on_signal =
        false;  // TERM, INT and HUP are sent, and end this program, too, a second later at the latest
  };
  // Of warn: it is sent, and somebody is told what the next one will do. Of ask: what it means is up to him.
  enum class Meaning { send, warn, ask, leave, detach };
  struct Verdict {
    Meaning meaning = Meaning::send;
    int number = 0;  // to be sent
  };

  explicit SignalReading(const Options& options) : options_(options) {}

  // `can_ask`: there is a person who can be asked about an interrupt.
  Verdict read(int number, bool can_ask);
  // He has answered: the next interrupt is a first one.
  void begin_anew() { in_a_row_ = 0; }

  // Which signal has us leave, and in how long; 0 and -1: none.
  int leaving_signal() const { return leaving_signal_; }
  int milliseconds_to_leave() const;

 private:
  Verdict read_of_kept(int number, bool interrupts, bool can_ask);

  Options options_;
  int in_a_row_ = 0;  // interrupts
  int leaving_signal_ = 0;
  Clock::time_point leave_by_;
};

}  // namespace runwire
