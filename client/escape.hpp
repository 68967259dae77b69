// What somebody at a raw terminal says to runwire and not to the program over there, as ssh has it: at the beginning of
// a line `~.` leaves, `~^Z` stops runwire, and `~~` is one `~`.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace runwire {

class Escape {
 public:
  // What of that is for the program. A `~` at the beginning of a line is held until it is known what follows it; behind
  // a `~.` nothing is for anybody.
  std::string pass(std::string_view typed);
  // Nothing more is typed: what was held.
  std::string finish();

  // From now on this key, wherever it is typed, is for runwire, too, as long as nobody over there can take it; absent:
  // none is.
  void hear_interrupt(std::optional<char> key) { interrupt_key_ = key; }

  bool leaves() const { return state_ == State::left; }
  // Since the last call somebody has asked runwire to stop; or has pressed that key.
  bool take_stop() { return std::exchange(stops_, false); }
  bool take_interrupt() { return std::exchange(interrupts_, false); }

 private:
  enum class State { line_begins, within_line, tilde, left };

  void pass(char key, std::string& passed);

  State state_ = State::line_begins;
  std::optional<char> interrupt_key_;
  bool stops_ = false;
  bool interrupts_ = false;
};

}  // namespace runwire
