#include "client/stdio_relay.hpp"

#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "client/failure_text.hpp"
#include "client/kept_line.hpp"
#include "client/last_screen.hpp"

namespace runwire {
namespace {

constexpr int kStandstillMs =
    2000;  // after a failure: how long a reader may take nothing of what is left for it

// Of two times for poll(2), of which -1 is never.
int sooner(int one, int other) { return one < 0 || other < 0 ? std::max(one, other) : std::min(one, other); }

bool wants_end(int number) {
  return number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT;
}

}  // namespace

StdioRelay::StdioRelay(Session& session, Opening opening, const Options& options)
    : session_(session),
      opening_(std::move(opening)),
      options_(options),
      command_(std::visit([](const auto& first) { return SessionCommand(first, kOutputWindow); }, opening_)),
      link_(session_, command_, options.line),
      output_(link_, ending_, {options.output, options.leaves_without_reader}),
      stdin_(link_, {options.in_fd, options.forwards_stdin, options.output.encoding, options.obeys_escape}),
      terminal_(link_, options.terminal),
      control_({link_, stdin_, output_, terminal_, ending_},
               {options.signals,
                options.line,
                {options.line != nullptr, options.escalates, options.leaves_on_signal},
                options.asks,
                options.quiet}) {}

RelayEnding StdioRelay::run(std::string_view payload) {
  ending_.was_relayed = true;
  payload_ = payload;
  Status turn = options_.line == nullptr ? open() : Status(Ok{});
  while (turn.ok() && !ending_.is_over()) turn = take_turn();
  if (!turn.ok()) fail(turn.error());
  if (turn.ok() && options_.ends_session) session_.close();
  output_.hide();
  ending_.leaves_line_unfinished = output_.leaves_line_unfinished();
  drain();
  return std::move(ending_);
}

// --- turns ---

Status StdioRelay::take_turn() {
  if (options_.line != nullptr && options_.line->is_down()) return await_line();
  const Status turn = talk();
  const bool can_be_restored = !turn.ok() && link_.take_loss();
  return can_be_restored ? lose(turn.error()) : turn;
}

Status StdioRelay::talk() {
  RUNWIRE_TRY(hear());
  if (ending_.is_over()) return Ok{};
  if (control_.milliseconds_to_leave() == 0) return control_.leave();
  RUNWIRE_TRY(greet());
  if (ending_.is_over()) return Ok{};
  RUNWIRE_TRY(terminal_.tell_size_if_due());
  RUNWIRE_TRY(stdin_.send());
  RUNWIRE_TRY(link_.note(session_.flush()));
  Watched watched = watch();
  if (::poll(watched.data(), watched.size(), milliseconds_to_wake()) < 0) {
    if (errno != EINTR) return Error{Errc::io, std::string("poll: ") + std::strerror(errno)};
    return Ok{};
  }
  RUNWIRE_TRY(control_.obey_signals());
  if (ending_.is_over()) return Ok{};
  if (watched[kSocket].revents != 0) RUNWIRE_TRY(link_.note(session_.receive()));
  RUNWIRE_TRY(look_after(watched));
  return link_.note(session_.keep_alive(Session::Clock::now()));
}

// Output goes on to its readers. What they leave here takes no more room than a window, and another one comes with each
// connection, so it waits for them.
Status StdioRelay::await_line() {
  tell_of_line();
  const bool has_room = output_.waiting() < kOutputWindow;
  Watched watched = watch();
  watched[kSocket] = {has_room ? options_.line->fd() : -1, POLLIN, 0};
  const int n = ::poll(watched.data(), watched.size(), has_room ? options_.line->milliseconds_to_wake() : -1);
  if (n < 0) return Ok{};
  RUNWIRE_TRY(control_.obey_signals());
  if (ending_.is_over()) return Ok{};
  RUNWIRE_TRY(look_after(watched));
  if (!has_room || ending_.is_over()) return Ok{};
  const Status tried = options_.line->try_again(session_);
  return tried || !options_.line->has_met() ? tried : conclude(tried.error());
}

Status StdioRelay::lose(const Error& why) {
  const Status lost = options_.line->lose(why);
  if (!lost) return options_.line->has_met() ? conclude(lost.error()) : lost;
  session_.abandon();
  command_.resume();
  was_lost_ = options_.line->has_met();  // else nothing was asked
  return Ok{};
}

// Before anything is asked of a daemon it must be known which one it is: one that knows nothing of the command would
// run it again.
Status StdioRelay::greet() {
  if (options_.line == nullptr || !options_.line->is_greeting() || !session_.hello()) return Ok{};
  const Status met = options_.line->meet(*session_.hello());
  return met ? open() : conclude(met.error());
}

Status StdioRelay::open() {
  const auto* start = std::get_if<Start>(&opening_);
  if (start != nullptr && !ending_.was_started) return link_.send(*start, payload_);
  return link_.send(command_.attach());
}

StdioRelay::Watched StdioRelay::watch() {
  Watched watched = {};
  const short to_send = session_.unsent_bytes() > 0 ? POLLOUT : 0;
  watched[kSocket] = {session_.fd(), static_cast<short>(POLLIN | to_send), 0};
  watched[kSignals] = {options_.signals == nullptr ? -1 : options_.signals->fd(), POLLIN, 0};
  watched[kIn] = {stdin_.bytes_wanted(terminal_.is_raw()) > 0 ? stdin_.fd() : -1, POLLIN, 0};
  watched[kOut] = output_.watch(StdStream::out);
  watched[kErr] = output_.watch(StdStream::err);
  return watched;
}

// Its window was closed, or its line was. SIGHUP may come later, for the shell is told first.
bool StdioRelay::has_terminal_gone(const Watched& watched) {
  const auto has_gone = [&](Slot slot, bool is_terminal) {
    return is_terminal && (watched[slot].revents & POLLHUP) != 0;
  };
  return has_gone(kIn, options_.asks) || has_gone(kOut, output_.is_terminal(StdStream::out)) ||
         has_gone(kErr, output_.is_terminal(StdStream::err));
}

// What is there of our own descriptors. A kept command is not to be told of a terminal that has gone, be it as the end
// of its input or as a reader that wants no more.
Status StdioRelay::look_after(const Watched& watched) {
  if (options_.line != nullptr && has_terminal_gone(watched)) return control_.detach();
  RUNWIRE_TRY(output_.look_after(StdStream::out, watched[kOut]));
  RUNWIRE_TRY(output_.look_after(StdStream::err, watched[kErr]));
  return watched[kIn].revents != 0 && !ending_.is_over() ? control_.take_stdin() : Status(Ok{});
}

int StdioRelay::milliseconds_to_wake() const {
  const int to_leave = sooner(control_.milliseconds_to_leave(), terminal_.milliseconds_to_wake());
  return sooner(session_.milliseconds_to_wake(), to_leave);
}

// --- what the server says ---

Status StdioRelay::hear() {
  while (!ending_.is_over()) {
    auto event = session_.next();
    if (!event) return link_.note(event.error());
    if (!*event) return Ok{};
    RUNWIRE_TRY(take(**event));
    if (ending_.is_over() || !is_enough()) continue;
    RUNWIRE_TRY(output_.finish());
    ending_.was_enough = true;
  }
  return Ok{};
}

Status StdioRelay::take(const SessionEvent& event) {
  const auto* error = std::get_if<SessionError>(&event.message);
  const bool about_the_session = error != nullptr && error->id.empty();
  if (!about_the_session)
    RUNWIRE_TRY(command_.take(event.message, session_.hello() ? session_.hello()->limits.stdin_window : 0));
  if (error != nullptr) return take_error(event, *error);
  if (const auto* output = std::get_if<Output>(&event.message)) return output_.take(*output, event.bytes);
  if (const auto* started = std::get_if<Started>(&event.message)) return take_started(*started, event.json);
  if (const auto* gap = std::get_if<Gap>(&event.message)) return take_gap(*gap, event.json);
  if (std::holds_alternative<Detached>(event.message))
    return link_.lost("the server let us go, for the output was not read here");
  return command_.has_exited() ? end(event) : Status(Ok{});
}

Status StdioRelay::take_started(const Started& started, std::string_view json) {
  ending_.was_started = true;
  if (std::holds_alternative<Attach>(opening_) && !present_) take_first_look();
  if (!present_) present_ = command_.kept();
  if (command_.takes_stdin()) terminal_.hand_over_keys();
  if (options_.line != nullptr) RUNWIRE_TRY(found());
  if (options_.verbose && started.pid) output_.say("started, process " + std::to_string(*started.pid));
  return output_.tell(json);
}

// What could not be known of somebody else's command before.
void StdioRelay::take_first_look() {
  if (!command_.takes_stdin() && options_.forwards_stdin && !options_.quiet)
    output_.say("the command takes no input: it has no stdin, or was told its end");
  const bool has_none = command_.kept() && !command_.kept()->has_terminal;
  if (options_.terminal == nullptr || !has_none) return;
  if (!options_.quiet) output_.say(kAtNoTerminal);
  terminal_.forget();
  stdin_.forget_escape();
}

void StdioRelay::tell_of_line() {
  const auto news = options_.line->take_news();
  if (news && options_.verbose) output_.say(*news);
  if (!options_.quiet) output_.show(options_.line->standing());
}

// What could not be said while there was no connection.
Status StdioRelay::found() {
  output_.hide();
  const auto news = options_.line->good_news();
  if (news && options_.verbose) output_.say(*news);
  options_.line->found();
  RUNWIRE_TRY(output_.tell_stops());
  if (was_lost_ || std::holds_alternative<Attach>(opening_)) RUNWIRE_TRY(terminal_.have_it_redrawn());
  return control_.forward_late_signals();
}

// Who looks at a screen wants the last of it, and the next picture has no hole.
Status StdioRelay::take_gap(const Gap& gap, std::string_view json) {
  if (terminal_.is_there()) return output_.tell(json);
  ending_.has_gaps = true;
  output_.say("bytes " + std::to_string(gap.from) + " to " + std::to_string(gap.to - 1) + " of " +
              std::string(name_of(gap.stream)) + " are lost: the server has given them up");
  return output_.tell(json);
}

Status StdioRelay::take_error(const SessionEvent& event, const SessionError& error) {
  if (options_.line == nullptr) return end(event);
  const std::string& name = error.error.error;
  const bool passes =
      name == error_name::kBusy || name == error_name::kUpgrade || name == error_name::kShutdown;
  const bool is_no_answer = error.id.empty() ? options_.line->has_met() : was_lost_;
  if (passes && is_no_answer) return link_.lost("the server says " + name + ": " + error.error.message);
  const bool is_about_following =
      name == error_name::kUnknown || name == error_name::kExpired || name == error_name::kConflict;
  if (!error.id.empty() && is_about_following) return conclude(options_.line->refused(error.error));
  return end(event);
}

bool StdioRelay::is_enough() const {
  if (!ending_.was_started || options_.until == Until::exit) return false;
  if (options_.until == Until::started || !present_) return true;
  return command_.has_come(StdStream::out, present_->stdout_end) &&
         command_.has_come(StdStream::err, present_->stderr_end);
}

// By its exit, or by an error instead of it.
Status StdioRelay::end(const SessionEvent& event) {
  if (const auto* exit = std::get_if<Exit>(&event.message)) ending_.exit = *exit;
  if (const auto* error = std::get_if<SessionError>(&event.message)) ending_.refusal = *error;
  ending_.json = event.json;
  RUNWIRE_TRY(output_.finish());
  return output_.tell(event.json);
}

// --- its end ---

// It is all said in `error`.
Status StdioRelay::conclude(const Error& error) {
  ending_.failure = error;
  if (!ending_.was_interrupted) (void)output_.tell(to_json(error));
  return Ok{};
}

// The server is to know at once. What came before is still shown, and in JSON the failure as the last line, unless it
// is the output that could not be written.
void StdioRelay::fail(const Error& error) {
  const bool may_go_on = options_.line != nullptr && options_.line->has_met();
  ending_.failure = may_go_on ? options_.line->left(error) : error;
  const bool about_the_server = error.code != Errc::io && !ending_.was_interrupted;
  std::string& message = ending_.failure->message;
  if (about_the_server && session_.hello() && !may_go_on) message += kUnknownOutcome;
  if (about_the_server && !options_.server.empty()) message = options_.server + ": " + message;
  session_.abandon();
  if (about_the_server) (void)output_.tell(to_json(*ending_.failure));
}

// What waits for its reader goes out before we do. A signal that wants an end has it, and after a failure, or where a
// signal has us leave, a standstill does. Nobody takes keys any more, so they mean to us what they mean to every
// program, once the terminal has shown its part.
void StdioRelay::drain() {
  while (!ending_.was_interrupted) {
    Watched watched = watch();
    watched[kSocket].fd = watched[kIn].fd = -1;
    const bool waits = (watched[kOut].events | watched[kErr].events) != 0;
    if (!waits) return;
    if (!output_.waits_for_terminal()) terminal_.take_back_keys();
    const int to_give_up = ending_.failure ? kStandstillMs : control_.milliseconds_to_leave();
    const int n = ::poll(watched.data(), watched.size(), to_give_up);
    if (n == 0) return give_up(control_.leaving_signal());
    if (n < 0) continue;
    for (const auto& [stream, slot] : {std::pair(StdStream::out, kOut), std::pair(StdStream::err, kErr)}) {
      const Status written = output_.look_after(stream, watched[slot]);
      if (!written && !ending_.failure) ending_.failure = written.error();
    }
    const int number = watched[kSignals].revents == 0 ? 0 : options_.signals->next();
    if (terminal_.is_concerned_by(number)) (void)terminal_.obey(number);
    if (wants_end(number)) return give_up(number);
  }
}

void StdioRelay::give_up(int number) {
  if (ending_.failure) return;
  ending_.was_interrupted = true;
  ending_.left_by_signal = options_.leaves_on_signal ? number : 0;
  ending_.failure = Error{Errc::closed, "interrupted: the rest of the output is lost"};
}

}  // namespace runwire
