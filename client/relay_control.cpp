#include "client/relay_control.hpp"

#include <utility>

#include "client/kept_line.hpp"

namespace runwire {

Status RelayControl::obey_signals() {
  if (options_.signals == nullptr) return Ok{};
  while (const int number = options_.signals->next()) RUNWIRE_TRY(obey(number));
  return Ok{};
}

Status RelayControl::obey(int number) {
  if (parts_.terminal.is_concerned_by(number)) return parts_.terminal.obey(number);
  const auto [meaning, sent] = reading_.read(number, options_.asks && !parts_.terminal.is_raw());
  switch (meaning) {
    case SignalReading::Meaning::send:
      return forward(sent);
    case SignalReading::Meaning::warn:
      warn();
      return forward(sent);
    case SignalReading::Meaning::ask:
      return ask_about(sent);
    case SignalReading::Meaning::leave:
      return leave();
    case SignalReading::Meaning::detach:
      break;
  }
  return detach();
}

std::optional<InterruptMeaning> RelayControl::ask() {
  parts_.output.hide();
  return ask_for_meaning(*options_.signals, parts_.output.leaves_line_unfinished());
}

Status RelayControl::ask_about(int number) {
  const auto answer = ask();
  if (answer)
    reading_.begin_anew();
  else
    warn();
  switch (answer.value_or(InterruptMeaning::interrupt)) {
    case InterruptMeaning::interrupt:
      return forward(number);
    case InterruptMeaning::nothing:
      return Ok{};
    case InterruptMeaning::detach:
      break;
  }
  return detach();
}

// If it is for the command, it waits with what else was typed.
Status RelayControl::ask_about_key(char key) {
  const auto answer = ask();
  if (answer == InterruptMeaning::detach) return detach();
  if (answer != InterruptMeaning::nothing) parts_.in.add(key);
  return Ok{};
}

// What the next interrupt will do.
void RelayControl::warn() {
  if (!options_.quiet)
    parts_.output.say(options_.line == nullptr ? "once more ends the connection"
                                               : "once more detaches, and the command goes on");
}

Status RelayControl::forward(int number) {
  if (parts_.link.can_talk()) return parts_.link.send(Signal{parts_.link.command().id(), number});
  late_signals_.push_back(number);
  return Ok{};
}

Status RelayControl::forward_late_signals() {
  for (const int number : std::exchange(late_signals_, {})) RUNWIRE_TRY(forward(number));
  return Ok{};
}

Status RelayControl::take_stdin() {
  if (Escape* escape = parts_.in.escape()) return take_keys(*escape);
  RUNWIRE_TRY(parts_.in.read(false));
  return parts_.in.send();
}

// While nobody over there can take an interrupt, it is for us.
Status RelayControl::take_keys(Escape& escape) {
  escape.hear_interrupt(parts_.link.can_talk() ? std::nullopt : parts_.terminal.interrupt_key());
  RUNWIRE_TRY(parts_.in.read(parts_.terminal.is_raw()));
  if (escape.leaves() || parts_.in.has_ended()) return detach_from_keys();
  RUNWIRE_TRY(parts_.in.send());
  if (escape.take_stop()) stop_job();
  return escape.take_interrupt() ? ask_about_key(*parts_.terminal.interrupt_key()) : Status(Ok{});
}

void RelayControl::stop_job() {
  if (options_.line->is_up()) (void)parts_.link.session().flush();
  if (parts_.terminal.is_job_of_shell()) parts_.output.say("stopped, and the command goes on; fg comes back");
  parts_.terminal.stop_job();
}

Error RelayControl::leave() {
  parts_.ending.was_interrupted = true;
  parts_.ending.left_by_signal = reading_.leaving_signal();
  return {Errc::closed, "interrupted: the connection is closed, so that the server ends the command"};
}

Status RelayControl::detach() {
  parts_.ending.was_interrupted = true;
  parts_.ending.failure = options_.line->detached();
  return Ok{};
}

// By an escape, or because the terminal has gone. What was typed before is still meant; whether it can be said now
// changes nothing.
Status RelayControl::detach_from_keys() {
  (void)parts_.in.send();
  (void)parts_.terminal.tell_size_early();
  if (options_.line->is_up()) (void)parts_.link.session().flush();
  return detach();
}

}  // namespace runwire
