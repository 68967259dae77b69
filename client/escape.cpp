#include "client/escape.hpp"

namespace runwire {
namespace {

constexpr char kCtrlZ = 0x1a;

}  // namespace

std::string Escape::pass(std::string_view typed) {
  std::string passed;
  for (const char key : typed) pass(key, passed);
  return passed;
}

void Escape::pass(char key, std::string& passed) {
  if (state_ == State::left) return;
  if (key == interrupt_key_) {
    interrupts_ = true;
    state_ = State::line_begins;
    return;
  }
  if (state_ == State::line_begins && key == '~') {
    state_ = State::tilde;
    return;
  }
  if (state_ == State::tilde && key == '.') {
    state_ = State::left;
    return;
  }
  if (state_ == State::tilde && key == kCtrlZ) {
    stops_ = true;
    state_ = State::line_begins;
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
