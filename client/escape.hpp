// What somebody at a raw terminal says to runwire and not to the program over there, as ssh has it: at the beginning of a
// line `~.` leaves, and `~~` is one `~`.
#pragma once

#include <string>
#include <string_view>

namespace runwire {

class Escape {
 public:
  // What of that is for the program. A `~` at the beginning of a line is held until it is known what follows it; behind a
  // `~.` nothing is for anybody.
  std::string pass(std::string_view typed);
  // Nothing more is typed: what was held.
  std::string finish();

  bool leaves() const { return state_ == State::left; }

 private:
  enum class State { line_begins, within_line, tilde, left };

  void pass(char key, std::string& passed);

  State state_ = State::line_begins;
};

}  // namespace runwire
