#include "client/escape.hpp"

namespace runwire {

std::string Escape::pass(std::string_view typed) {
  std::string passed;
  for (const char key : typed) pass(key, passed);
  return passed;
}

void Escape::pass(char key, std::string& passed) {
  if (state_ == State::left) return;
  if (state_ == State::line_begins && key == '~') {
    state_ = State::tilde;
    return;
  }
  if (state_ == State::tilde && key == '.') {
    state_ = State::left;
    return;
  }
  if (state_ == State::tilde && key != '~') passed += '~';
  passed += key;
  state_ = key == '\r' || key == '\n' ? State::line_begins : State::within_line;
}

std::string Escape::finish() {
  if (state_ != State::tilde) return {};
  state_ = State::within_line;
  return "~";
}

}  // namespace runwire
