#include "client/stdio_relay.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "client/failure_text.hpp"
#include "client/interrupt_question.hpp"
#include "client/kept_line.hpp"

namespace runwire {
namespace {

constexpr std::size_t kUnsentBytes = std::size_t{64}
                                     << 10;    // what waits for the server before stdin waits, too
constexpr int kInterruptsToGiveUp = 3;         // as docker has it
constexpr std::chrono::seconds kTimeToEnd{1};  // for the command, between its signal and our leaving
constexpr std::chrono::milliseconds kTimeToRedraw{100};  // for a program that is told of another size
constexpr int kStandstillMs =
    2000;  // after a failure: how long a reader may take nothing of what is left for it

// Of two times for poll(2), of which -1 is never.
int sooner(int one, int other) { return one < 0 || other < 0 ? std::max(one, other) : std::min(one, other); }

}  // namespace

StdioRelay::StdioRelay(Session& session, Opening opening, const Options& options)
    : session_(session),
      opening_(std::move(opening)),
      options_(options),
      command_(std::visit([](const auto& first) { return SessionCommand(first, kOutputWindow); }, opening_)),
      output_(options.output),
      input_(options.in_fd, options.output.encoding, options.obeys_escape) {}

RelayEnding StdioRelay::run(std::string_view payload) {
  ending_.was_relayed = true;
  payload_ = payload;
  Status turn = options_.line == nullptr ? open() : Status(Ok{});
  while (turn.ok() && !is_over()) turn = take_turn();
  if (!turn.ok()) fail(turn.error());
  if (turn.ok() && options_.ends_session) session_.close();
  drain();
  return std::move(ending_);
}

// The server is to know at once. What came before is still shown, and in JSON the failure as the last line, unless it is
// the output that could not be written.
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

// It is all said in `error`.
Status StdioRelay::conclude(const Error& error) {
  ending_.failure = error;
  if (!ending_.was_interrupted) (void)output_.tell(to_json(error));
  return Ok{};
}

Status StdioRelay::take_turn() {
  if (options_.line != nullptr && options_.line->is_down()) return await_line();
  const Status turn = talk();
  const bool can_be_restored = !turn.ok() && session_is_lost_ && options_.line != nullptr;
  return can_be_restored ? lose(turn.error()) : turn;
}

Status StdioRelay::talk() {
  RUNWIRE_TRY(hear());
  if (is_over()) return Ok{};
  if (milliseconds_to_leave() == 0) return leave();
  RUNWIRE_TRY(greet());
  if (is_over()) return Ok{};
  RUNWIRE_TRY(tell_size_if_due());
  RUNWIRE_TRY(send_stdin());
  RUNWIRE_TRY(of_session(session_.flush()));
  Watched watched = watch();
  if (::poll(watched.data(), watched.size(), milliseconds_to_wake()) < 0) {
    if (errno != EINTR) return Error{Errc::io, std::string("poll: ") + std::strerror(errno)};
    return Ok{};
  }
  RUNWIRE_TRY(obey_signals());
  if (watched[kSocket].revents != 0) RUNWIRE_TRY(of_session(session_.receive()));
  RUNWIRE_TRY(look_after_output(watched));
  if (watched[kIn].revents != 0) RUNWIRE_TRY(forward_stdin());
  return of_session(session_.keep_alive(Session::Clock::now()));
}

// Output goes on to its readers. What they leave here takes no more room than a window, and another one comes with each
// connection, so it waits for them.
Status StdioRelay::await_line() {
  const std::size_t waiting =
      output_.writer_of(StdStream::out).waiting() + output_.writer_of(StdStream::err).waiting();
  const bool has_room = waiting < kOutputWindow;
  Watched watched = watch();
  const int n = ::poll(watched.data(), watched.size(), has_room ? options_.line->milliseconds_to_wake() : -1);
  if (n < 0) return Ok{};
  RUNWIRE_TRY(obey_signals());
  RUNWIRE_TRY(look_after_output(watched));
  if (watched[kIn].revents != 0) RUNWIRE_TRY(forward_stdin());
  if (!has_room || is_over()) return Ok{};
  const Status tried = options_.line->try_again(session_);
  return tried || !options_.line->has_met() ? tried : conclude(tried.error());
}

Status StdioRelay::lose(const Error& why) {
  session_is_lost_ = false;
  const Status lost = options_.line->lose(why, output_.leaves_line_unfinished());
  if (!lost) return options_.line->has_met() ? conclude(lost.error()) : lost;
  session_.abandon();
  command_.resume();
  was_lost_ = options_.line->has_met();  // else nothing was asked
  return Ok{};
}

// Before anything is asked of a daemon it must be known which one it is: one that knows nothing of the command would run
// it again.
Status StdioRelay::greet() {
  if (options_.line == nullptr || !options_.line->is_greeting() || !session_.hello()) return Ok{};
  const Status met = options_.line->meet(*session_.hello());
  return met ? open() : conclude(met.error());
}

Status StdioRelay::open() {
  const auto* start = std::get_if<Start>(&opening_);
  if (start != nullptr && !ending_.was_started) return send(*start, payload_);
  return send(command_.attach());
}

template <class Message> Status StdioRelay::send(const Message& message, std::string_view payload) {
  return of_session(session_.send(message, payload));
}

// Another connection may do better, unless the server talks nonsense.
Status StdioRelay::of_session(Status status) {
  if (!status && status.error().code != Errc::protocol) session_is_lost_ = true;
  return status;
}

Status StdioRelay::lost(const std::string& why) { return of_session(Error{Errc::closed, why}); }

// The server knows, or is about to be told, what command is meant.
bool StdioRelay::can_talk() const {
  return options_.line == nullptr || (options_.line->is_up() && command_.is_started());
}

StdioRelay::Watched StdioRelay::watch() {
  Watched watched = {};
  const short to_send = session_.unsent_bytes() > 0 ? POLLOUT : 0;
  watched[kSocket] = {session_.fd(), static_cast<short>(POLLIN | to_send), 0};
  watched[kSignals] = {options_.signals == nullptr ? -1 : options_.signals->fd(), POLLIN, 0};
  watched[kIn] = {stdin_bytes_wanted() > 0 ? input_.fd() : -1, POLLIN, 0};
  watched[kOut] = watch_output(StdStream::out);
  watched[kErr] = watch_output(StdStream::err);
  return watched;
}

pollfd StdioRelay::watch_output(StdStream stream) {
  const bool is_elsewhere = stream == StdStream::err && output_.shares_one_writer();
  if (is_elsewhere || command_.is_stopped(stream)) return {-1, 0, 0};  // poll ignores it
  const DescriptorWriter& writer = output_.writer_of(stream);
  return {writer.fd(), writer.events(), 0};
}

Status StdioRelay::hear() {
  while (!is_over()) {
    auto event = session_.next();
    if (!event) return of_session(event.error());
    if (!*event) return Ok{};
    RUNWIRE_TRY(take(**event));
    if (!is_over() && is_enough()) RUNWIRE_TRY(leave_it());
  }
  return Ok{};
}

// All that was wanted of it has come.
Status StdioRelay::leave_it() {
  RUNWIRE_TRY(settle(StdStream::out, output_.finish()));
  ending_.was_enough = true;
  return Ok{};
}

Status StdioRelay::take(const SessionEvent& event) {
  const auto* error = std::get_if<SessionError>(&event.message);
  const bool about_the_session = error != nullptr && error->id.empty();
  if (!about_the_session)
    RUNWIRE_TRY(command_.take(event.message, session_.hello() ? session_.hello()->limits.stdin_window : 0));
  if (error != nullptr) return take_error(event, *error);
  if (const auto* output = std::get_if<Output>(&event.message))
    return command_.is_stopped(output->stream)
               ? Status(Ok{})
               : settle(output->stream, output_.put(output->stream, output->off, event.bytes));
  if (const auto* started = std::get_if<Started>(&event.message)) return take_started(*started, event.json);
  if (const auto* gap = std::get_if<Gap>(&event.message)) return take_gap(*gap, event.json);
  if (std::holds_alternative<Detached>(event.message))
    return lost("the server let us go, for the output was not read here");
  return command_.has_exited() ? end(event) : Status(Ok{});
}

Status StdioRelay::take_started(const Started& started, std::string_view json) {
  ending_.was_started = true;
  const bool takes_none = !command_.takes_stdin() && std::holds_alternative<Attach>(opening_);
  if (!present_ && takes_none && options_.forwards_stdin && !options_.quiet)
    output_.say("the command takes no input: it has no stdin, or was told its end");
  if (!present_) present_ = command_.kept();
  if (options_.line != nullptr) RUNWIRE_TRY(found());
  if (options_.verbose && started.pid) output_.say("started, process " + std::to_string(*started.pid));
  return settle(StdStream::out, output_.tell(json));
}

// What could not be said while there was no connection.
Status StdioRelay::found() {
  options_.line->found();
  for (const StdStream stream : {StdStream::out, StdStream::err})
    if (command_.is_stopped(stream)) RUNWIRE_TRY(send(Stop{command_.id(), stream}));
  if (was_lost_)
    RUNWIRE_TRY(tell_size());
  else if (std::holds_alternative<Attach>(opening_))
    RUNWIRE_TRY(have_it_redrawn());
  for (const int number : std::exchange(signals_to_send_, {})) RUNWIRE_TRY(forward(number));
  return Ok{};
}

// Who looks at a screen wants the last of it, and the next picture has no hole.
Status StdioRelay::take_gap(const Gap& gap, std::string_view json) {
  if (is_at_terminal()) return settle(StdStream::out, output_.tell(json));
  ending_.has_gaps = true;
  output_.say("bytes " + std::to_string(gap.from) + " to " + std::to_string(gap.to - 1) + " of " +
              std::string(name_of(gap.stream)) + " are lost: the server has given them up");
  return settle(StdStream::out, output_.tell(json));
}

Status StdioRelay::take_error(const SessionEvent& event, const SessionError& error) {
  if (options_.line == nullptr) return end(event);
  const std::string& name = error.error.error;
  const bool passes =
      name == error_name::kBusy || name == error_name::kUpgrade || name == error_name::kShutdown;
  const bool is_no_answer = error.id.empty() ? options_.line->has_met() : was_lost_;
  if (passes && is_no_answer) return lost("the server says " + name + ": " + error.error.message);
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
  RUNWIRE_TRY(settle(StdStream::out, output_.finish()));
  return settle(StdStream::out, output_.tell(event.json));
}

Status StdioRelay::obey_signals() {
  if (options_.signals == nullptr) return Ok{};
  while (const int number = options_.signals->next()) RUNWIRE_TRY(obey(number));
  return Ok{};
}

// Those that are about our terminal are not forwarded.
Status StdioRelay::obey_terminal(int number) {
  if (number == SIGTSTP) options_.terminal->stop_program();
  if (number == SIGCONT) options_.terminal->resume();
  return tell_size();
}

Status StdioRelay::tell_size() {
  const auto size = options_.terminal == nullptr ? std::nullopt : window_size();
  return size && can_talk() ? send(Resize{command_.id(), *size}) : Status(Ok{});
}

Status StdioRelay::tell_size_if_due() {
  if (milliseconds_to_tell_size() != 0 || !can_talk()) return Ok{};
  size_due_.reset();
  return tell_size();
}

// Programs draw their picture anew when the size changes, and not for the one that they have already.
Status StdioRelay::have_it_redrawn() {
  auto size = is_at_terminal() ? window_size() : std::nullopt;
  if (!size) return Ok{};
  size->rows = size->rows > 1 ? size->rows - 1 : size->rows + 1;
  size_due_ = Session::Clock::now() + kTimeToRedraw;
  return send(Resize{command_.id(), *size});
}

Status StdioRelay::obey(int number) {
  const bool about_terminal = number == SIGWINCH || number == SIGTSTP || number == SIGCONT;
  if (about_terminal && options_.terminal != nullptr) return obey_terminal(number);
  if (options_.line != nullptr) return obey_of_kept(number);
  const bool interrupts = number == SIGINT || number == SIGTERM;
  interrupts_in_a_row_ = interrupts ? interrupts_in_a_row_ + 1 : 0;
  if (interrupts_in_a_row_ == kInterruptsToGiveUp) return leave();
  const bool leaves = options_.leaves_on_signal && (interrupts || number == SIGHUP);
  if (leaves && leaving_signal_ == 0) {
    leaving_signal_ = number;
    leave_by_ = Session::Clock::now() + kTimeToEnd;
  }
  const bool gives_up_next = interrupts_in_a_row_ == kInterruptsToGiveUp - 1;
  if (gives_up_next && !leaves && !options_.quiet) output_.say("once more ends the connection");
  if (options_.escalates && interrupts_in_a_row_ > 1) number = SIGTERM;
  return forward(number);
}

// Who has gone must not take a kept command along, and who interrupts twice wants his terminal back.
Status StdioRelay::obey_of_kept(int number) {
  const bool interrupts = number == SIGINT || number == SIGTERM;
  interrupts_in_a_row_ = interrupts ? interrupts_in_a_row_ + 1 : 0;
  const bool leaves = interrupts_in_a_row_ > 1 || number == SIGHUP;
  const bool asks = number == SIGINT && options_.asks && !leaves;
  const auto answer = asks ? ask_for_meaning(*options_.signals) : std::nullopt;
  if (interrupts && !leaves && !answer && !options_.quiet) warn_of_detaching();
  if (leaves || answer) interrupts_in_a_row_ = 0;
  const auto meaning = leaves ? InterruptMeaning::detach : answer.value_or(InterruptMeaning::interrupt);
  if (meaning == InterruptMeaning::interrupt) return forward(number);
  return meaning == InterruptMeaning::nothing ? Status(Ok{}) : detach();
}

Status StdioRelay::detach() {
  if (options_.terminal != nullptr && options_.line->is_up()) options_.terminal->begin_line();
  ending_.was_interrupted = true;
  return conclude(options_.line->detached());
}

// What was typed before is still meant. Whether it can be said now changes nothing.
Status StdioRelay::detach_by_escape() {
  (void)send_stdin();
  if (size_due_) (void)tell_size();
  if (options_.line->is_up()) (void)session_.flush();
  return detach();
}

void StdioRelay::warn_of_detaching() {
  options_.line->hide();
  output_.say("once more detaches, and the command goes on");
}

Status StdioRelay::forward(int number) {
  if (can_talk()) return send(Signal{command_.id(), number});
  signals_to_send_.push_back(number);
  return Ok{};
}

Error StdioRelay::leave() {
  ending_.was_interrupted = true;
  ending_.left_by_signal = leaving_signal_;
  return {Errc::closed, "interrupted: the connection is closed, so that the server ends the command"};
}

// For poll(2); -1: nobody has us leave.
int StdioRelay::milliseconds_to_leave() const {
  if (leaving_signal_ == 0) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(leave_by_ - Session::Clock::now());
  return static_cast<int>(std::max<long long>(left.count(), 0));
}

int StdioRelay::milliseconds_to_tell_size() const {
  if (!size_due_) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*size_due_ - Session::Clock::now());
  return static_cast<int>(std::max<long long>(left.count(), 0));
}

int StdioRelay::milliseconds_to_wake() const {
  const int to_leave = sooner(milliseconds_to_leave(), milliseconds_to_tell_size());
  return sooner(session_.milliseconds_to_wake(), to_leave);
}

std::size_t StdioRelay::stdin_room() const {
  const bool may_read = options_.forwards_stdin && command_.is_started() && command_.takes_stdin() &&
                        session_.unsent_bytes() < kUnsentBytes;
  if (!may_read) return 0;
  const std::uint64_t payload = session_.hello()->limits.payload;
  return static_cast<std::size_t>(
      std::min({command_.stdin_room(), payload, static_cast<std::uint64_t>(RelayInput::kMost)}));
}

// No more than may be sent is read: what is left belongs to whoever reads this stdin next.
std::size_t StdioRelay::stdin_bytes_wanted() {
  if (options_.obeys_escape) return keys_wanted();
  const bool has_some = input_.has_ended() || !input_.from(command_.stdin_sent()).empty();
  return has_some ? 0 : stdin_room();
}

// Of somebody who may want to leave all is read, also what can't be sent now. It must be known where it belongs.
std::size_t StdioRelay::keys_wanted() {
  const bool has_place =
      ending_.was_started || (std::holds_alternative<Start>(opening_) && options_.line->has_met());
  if (!has_place || input_.has_ended()) return 0;
  return RelayInput::kMost - std::min(input_.from(command_.stdin_sent()).size(), RelayInput::kMost);
}

Status StdioRelay::forward_stdin() {
  const Status read = input_.read(stdin_bytes_wanted());
  if (read && input_.leaves()) return detach_by_escape();
  if (read && !command_.takes_stdin()) input_.forget_before(UINT64_MAX);
  if (read) return send_stdin();
  const bool goes_on = options_.line != nullptr;
  return Error{
      read.error().code,
      read.error().message +
          (goes_on ? "" : "; the command is ended, for it would take this for the end of its input")};
}

// Converted, it may have become more than there is room for; on another connection, what was sent must be sent again.
Status StdioRelay::send_stdin() {
  while (options_.forwards_stdin && command_.is_started() && command_.takes_stdin()) {
    const std::string_view unsent = input_.from(command_.stdin_sent());
    const std::size_t size = std::min(unsent.size(), stdin_room());
    const bool is_last = input_.has_ended() && size == unsent.size();
    if (size == 0 && !is_last) return Ok{};
    RUNWIRE_TRY(send(command_.send_stdin(size, is_last), unsent.substr(0, size)));
    input_.forget_before(command_.stdin_needed_from());
  }
  return Ok{};
}

Status StdioRelay::look_after(StdStream stream, const pollfd& seen) {
  if (seen.fd < 0 || seen.revents == 0) return Ok{};
  DescriptorWriter& writer = output_.writer_of(stream);
  if (writer.waiting() > 0) return settle(stream, writer.flush());
  return stop(stream);  // nothing was asked of it, so it is an error or a hang-up: its reader has gone
}

Status StdioRelay::look_after_output(const Watched& watched) {
  RUNWIRE_TRY(look_after(StdStream::out, watched[kOut]));
  return look_after(StdStream::err, watched[kErr]);
}

// After bytes of a stream went out, or could not.
Status StdioRelay::settle(StdStream stream, const Status& written) {
  if (!written && written.error().code == Errc::closed) return stop(stream);
  RUNWIRE_TRY(written);
  const std::uint64_t waiting = output_.writer_of(stream).waiting();
  for (const StdStream each : {StdStream::out, StdStream::err}) {
    if (each != stream && !output_.shares_one_writer()) continue;
    const auto credit = is_over() || !can_talk() ? std::nullopt : command_.grant(each, waiting);
    if (credit) RUNWIRE_TRY(send(*credit));
  }
  return Ok{};
}

Status StdioRelay::stop(StdStream stream) {
  if (options_.leaves_without_reader) {
    ending_.reader_has_gone = ending_.was_enough = true;
    return Ok{};
  }
  for (const StdStream each : {StdStream::out, StdStream::err}) {
    if (each != stream && !output_.shares_one_writer()) continue;
    const auto message = command_.stop(each);
    if (message && !is_over() && can_talk()) RUNWIRE_TRY(send(*message));
  }
  return Ok{};
}

// What waits for its reader goes out before we do. A signal ends that, and after a failure, or where a signal has us leave,
// a standstill does.
void StdioRelay::drain() {
  while (!ending_.was_interrupted) {
    Watched watched = watch();
    watched[kSocket].fd = watched[kIn].fd = -1;
    const bool waits = (watched[kOut].events | watched[kErr].events) != 0;
    if (!waits) return;
    const int n =
        ::poll(watched.data(), watched.size(), ending_.failure ? kStandstillMs : milliseconds_to_leave());
    if (n == 0) return give_up(leaving_signal_);
    if (n < 0) continue;
    for (const auto& [stream, slot] : {std::pair(StdStream::out, kOut), std::pair(StdStream::err, kErr)}) {
      const Status written = look_after(stream, watched[slot]);
      if (!written && !ending_.failure) ending_.failure = written.error();
    }
    const int number = watched[kSignals].revents == 0 ? 0 : options_.signals->next();
    if (number != 0) return give_up(number);
  }
}

void StdioRelay::give_up(int number) {
  if (ending_.failure) return;
  ending_.was_interrupted = true;
  ending_.left_by_signal = options_.leaves_on_signal ? number : 0;
  ending_.failure = Error{Errc::closed, "interrupted: the rest of the output is lost"};
}

}  // namespace runwire
