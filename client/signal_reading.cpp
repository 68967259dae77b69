#include "client/signal_reading.hpp"

#include <signal.h>

#include <algorithm>

namespace runwire {
namespace {

constexpr int kInterruptsToGiveUp = 3;         // as docker has it
constexpr std::chrono::seconds kTimeToEnd{1};  // for the command, between its signal and our leaving

}  // namespace

SignalReading::Verdict SignalReading::read(int number, bool can_ask) {
  const bool interrupts = number == SIGINT || number == SIGTERM;
  in_a_row_ = interrupts ? in_a_row_ + 1 : 0;
  if (options_.is_kept) return read_of_kept(number, interrupts, can_ask);
  if (in_a_row_ == kInterruptsToGiveUp) return {Meaning::leave, number};
  const bool leaves = options_.leaves_on_signal && (interrupts || number == SIGHUP);
  if (leaves && leaving_signal_ == 0) {
    leaving_signal_ = number;
    leave_by_ = Clock::now() + kTimeToEnd;
  }
  const bool gives_up_next = in_a_row_ == kInterruptsToGiveUp - 1;
  const int sent = options_.escalates && in_a_row_ > 1 ? SIGTERM : number;
  return {gives_up_next && !leaves ? Meaning::warn : Meaning::send, sent};
}

// Who has gone must not take a kept command along, and who interrupts twice wants his terminal back.
SignalReading::Verdict SignalReading::read_of_kept(int number, bool interrupts, bool can_ask) {
  if (in_a_row_ > 1 || number == SIGHUP) {
    begin_anew();
    return {Meaning::detach, number};
  }
  if (number == SIGINT && can_ask) return {Meaning::ask, number};
  return {interrupts ? Meaning::warn : Meaning::send, number};
}

int SignalReading::milliseconds_to_leave() const {
  if (leaving_signal_ == 0) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(leave_by_ - Clock::now());
  return static_cast<int>(std::max<long long>(left.count(), 0));
}

}  // namespace runwire
