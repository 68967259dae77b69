#include "client/relay_terminal.hpp"

#include <signal.h>

#include <algorithm>
#include <chrono>

namespace runwire {
namespace {

constexpr std::chrono::milliseconds kTimeToRedraw{100};  // for a program that is told of another size

}  // namespace

void RelayTerminal::hand_over_keys() {
  if (terminal_ != nullptr) terminal_->make_raw();
}

void RelayTerminal::take_back_keys() {
  if (terminal_ != nullptr) terminal_->restore();
}

std::optional<char> RelayTerminal::interrupt_key() const {
  return terminal_ == nullptr ? std::nullopt : terminal_->interrupt_key();
}

bool RelayTerminal::is_job_of_shell() const { return terminal_ != nullptr && terminal_->is_job_of_shell(); }

void RelayTerminal::stop_job() {
  if (terminal_ != nullptr) terminal_->stop_job();
}

bool RelayTerminal::is_concerned_by(int number) const {
  return terminal_ != nullptr && (number == SIGWINCH || number == SIGTSTP || number == SIGCONT);
}

Status RelayTerminal::obey(int number) {
  if (number == SIGTSTP) terminal_->stop_program();
  if (number != SIGCONT) return tell_size();
  terminal_->resume();
  return have_it_redrawn();
}

Status RelayTerminal::tell_size() {
  const auto size = terminal_ == nullptr ? std::nullopt : window_size();
  return size && link_.can_talk() ? link_.send(Resize{link_.command().id(), *size}) : Status(Ok{});
}

Status RelayTerminal::have_it_redrawn() {
  auto size = is_raw() && link_.can_talk() ? window_size() : std::nullopt;
  if (!size) return tell_size();
  size->rows = size->rows > 1 ? size->rows - 1 : size->rows + 1;
  size_due_ = Session::Clock::now() + kTimeToRedraw;
  return link_.send(Resize{link_.command().id(), *size});
}

Status RelayTerminal::tell_size_if_due() {
  if (milliseconds_to_wake() != 0) return Ok{};
  size_due_.reset();
  return tell_size();
}

Status RelayTerminal::tell_size_early() { return size_due_ ? tell_size() : Status(Ok{}); }

int RelayTerminal::milliseconds_to_wake() const {
  if (!size_due_ || !link_.can_talk()) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*size_due_ - Session::Clock::now());
  return static_cast<int>(std::max<long long>(left.count(), 0));
}

}  // namespace runwire
