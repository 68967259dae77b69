// What the terminal here and the one over there have to know of each other besides keys and output: their size, and
// when somebody else has had ours.
#pragma once

#include <optional>

#include "client/relay_link.hpp"
#include "client/terminal_mode.hpp"

namespace runwire {

class RelayTerminal {
 public:
  // `terminal`: null where the command has none over there. Both outlive this.
  RelayTerminal(RelayLink& link, TerminalMode* terminal) : link_(link), terminal_(terminal) {}

  // At both ends.
  bool is_there() const { return terminal_ != nullptr && terminal_->is_there(); }
  bool is_raw() const { return terminal_ != nullptr && terminal_->is_raw(); }
  void forget() { terminal_ = nullptr; }  // there is none over there, after all
  // The command runs, and takes the keys from now on.
  void hand_over_keys();
  // It does not any more: the terminal is as it was, and stays so.
  void take_back_keys();
  std::optional<char> interrupt_key() const;
  bool is_job_of_shell() const;  // as TerminalMode has it
  void stop_job();

  // Is this signal about our terminal, and not for the command?
  bool is_concerned_by(int number) const;
  Status obey(int number);  // such a one

  // Our size, if there is somebody to be told.
  Status tell_size();
  // Programs draw their picture anew when the size changes, and not for the one that they have already: it is told
  // another one, and a moment later ours.
  Status have_it_redrawn();
  Status tell_size_if_due();
  Status tell_size_early();          // if it would be due later
  int milliseconds_to_wake() const;  // for poll(2); -1: it will not be due

 private:
  RelayLink& link_;
  TerminalMode* terminal_;
  std::optional<Session::Clock::time_point> size_due_;  // the command has been told another one
};

}  // namespace runwire
