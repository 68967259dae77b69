#include "client/stdio_relay.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "client/failure_text.hpp"

namespace runwire {
namespace {

constexpr std::size_t kStdinBytes = std::size_t{64} << 10;  // read at once
constexpr std::size_t kUnsentBytes = std::size_t{64}
                                     << 10;    // what waits for the server before stdin waits, too
constexpr int kInterruptsToGiveUp = 3;         // as docker has it
constexpr std::chrono::seconds kTimeToEnd{1};  // for the command, between its signal and our leaving
constexpr int kStandstillMs =
    2000;  // after a failure: how long a reader may take nothing of what is left for it

}  // namespace

StdioRelay::StdioRelay(Session& session, const Start& start, const Options& options)
    : session_(session),
      start_(start),
      options_(options),
      command_(start.id, kOutputWindow),
      output_(options.output),
      in_(options.in_fd) {}

RelayEnding StdioRelay::run(std::string_view payload) {
  ending_.was_relayed = true;
  Status turn = session_.send(start_, payload);
  while (turn.ok() && !is_over()) turn = take_turn();
  if (!turn.ok()) fail(turn.error());
  if (turn.ok() && options_.ends_session) session_.close();
  drain();
  return std::move(ending_);
}

// The server is to know at once. What came before is still shown, and in JSON the failure as the last line, unless it is
// the output that could not be written.
void StdioRelay::fail(const Error& error) {
  ending_.failure = error;
  const bool about_the_server = error.code != Errc::io && !ending_.was_interrupted;
  std::string& message = ending_.failure->message;
  if (about_the_server && session_.hello()) message += kUnknownOutcome;
  if (about_the_server && !options_.server.empty()) message = options_.server + ": " + message;
  session_.abandon();
  if (about_the_server) (void)output_.tell(to_json(*ending_.failure));
}

Status StdioRelay::take_turn() {
  RUNWIRE_TRY(hear());
  if (is_over()) return Ok{};
  if (milliseconds_to_leave() == 0) return leave();
  RUNWIRE_TRY(send_converted_stdin());
  RUNWIRE_TRY(session_.flush());
  Watched watched = watch();
  if (::poll(watched.data(), watched.size(), milliseconds_to_wake()) < 0) {
    if (errno != EINTR) return Error{Errc::io, std::string("poll: ") + std::strerror(errno)};
    return Ok{};
  }
  RUNWIRE_TRY(obey_signals());
  if (watched[kSocket].revents != 0) RUNWIRE_TRY(session_.receive());
  RUNWIRE_TRY(look_after(StdStream::out, watched[kOut]));
  RUNWIRE_TRY(look_after(StdStream::err, watched[kErr]));
  if (watched[kIn].revents != 0) RUNWIRE_TRY(forward_stdin());
  return session_.keep_alive(Session::Clock::now());
}

StdioRelay::Watched StdioRelay::watch() {
  Watched watched = {};
  const short to_send = session_.unsent_bytes() > 0 ? POLLOUT : 0;
  watched[kSocket] = {session_.fd(), static_cast<short>(POLLIN | to_send), 0};
  watched[kSignals] = {options_.signals == nullptr ? -1 : options_.signals->fd(), POLLIN, 0};
  watched[kIn] = {stdin_bytes_wanted() > 0 ? in_.fd() : -1, POLLIN, 0};
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
    if (!event) return event.error();
    if (!*event) return Ok{};
    RUNWIRE_TRY(take(**event));
  }
  return Ok{};
}

Status StdioRelay::take(const SessionEvent& event) {
  const auto* error = std::get_if<SessionError>(&event.message);
  const bool about_the_session = error != nullptr && error->id.empty();
  if (!about_the_session)
    RUNWIRE_TRY(command_.take(event.message, session_.hello() ? session_.hello()->limits.stdin_window : 0));
  if (error != nullptr) return end(event);
  if (const auto* output = std::get_if<Output>(&event.message))
    return command_.is_stopped(output->stream)
               ? Status(Ok{})
               : settle(output->stream, output_.put(output->stream, output->off, event.bytes));
  if (const auto* started = std::get_if<Started>(&event.message)) {
    ending_.was_started = true;
    if (options_.verbose) output_.say("started, process " + std::to_string(started->pid.value_or(0)));
    return settle(StdStream::out, output_.tell(event.json));
  }
  return command_.has_exited() ? end(event) : Status(Ok{});
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
  const auto size = window_size();
  return size ? session_.send(Resize{command_.id(), *size}) : Status(Ok{});
}

Status StdioRelay::obey(int number) {
  const bool about_terminal = number == SIGWINCH || number == SIGTSTP || number == SIGCONT;
  if (about_terminal && options_.terminal != nullptr) return obey_terminal(number);
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
  return session_.send(Signal{command_.id(), number});
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

int StdioRelay::milliseconds_to_wake() const {
  const int to_wake = session_.milliseconds_to_wake(), to_leave = milliseconds_to_leave();
  return to_wake < 0 || to_leave < 0 ? std::max(to_wake, to_leave) : std::min(to_wake, to_leave);
}

std::size_t StdioRelay::stdin_room() const {
  const bool may_read = options_.forwards_stdin && command_.is_started() && command_.takes_stdin() &&
                        session_.unsent_bytes() < kUnsentBytes;
  if (!may_read) return 0;
  const std::uint64_t payload = session_.hello()->limits.payload;
  return static_cast<std::size_t>(
      std::min({command_.stdin_room(), payload, static_cast<std::uint64_t>(kStdinBytes)}));
}

// No more than may be sent is read: what is left belongs to whoever reads this stdin next.
std::size_t StdioRelay::stdin_bytes_wanted() const {
  return converted_.empty() && !in_has_ended_ ? stdin_room() : 0;
}

Status StdioRelay::forward_stdin() {
  if (!in_buffer_) in_buffer_ = std::make_unique_for_overwrite<char[]>(kStdinBytes);
  const auto moved = in_.read_now(in_buffer_.get(), stdin_bytes_wanted());
  if (moved.error == EAGAIN) return Ok{};
  const bool was_closed = moved.error == EBADF;  // from the start: there is nothing to be read
  if (moved.error != 0 && !was_closed)
    return Error{Errc::io, std::string("stdin: ") + std::strerror(moved.error) +
                               "; the command is ended, for it would take this for the end of its input"};
  const std::string_view bytes(in_buffer_.get(), moved.bytes);
  Encoding* encoding = options_.output.encoding;
  if (encoding == nullptr) return session_.send(command_.send_stdin(bytes.size(), bytes.empty()), bytes);
  in_has_ended_ = bytes.empty();
  converted_ = in_has_ended_ ? encoding->in.finish() : encoding->in.convert(bytes);
  return send_converted_stdin();
}

// It may have become more than there is room for.
Status StdioRelay::send_converted_stdin() {
  while (command_.takes_stdin() && (in_has_ended_ || !converted_.empty())) {
    const std::size_t size = std::min(converted_.size(), stdin_room());
    if (size == 0 && !converted_.empty()) return Ok{};
    const bool is_last = in_has_ended_ && size == converted_.size();
    RUNWIRE_TRY(
        session_.send(command_.send_stdin(size, is_last), std::string_view(converted_).substr(0, size)));
    converted_.erase(0, size);
  }
  return Ok{};
}

Status StdioRelay::look_after(StdStream stream, const pollfd& seen) {
  if (seen.fd < 0 || seen.revents == 0) return Ok{};
  DescriptorWriter& writer = output_.writer_of(stream);
  if (writer.waiting() > 0) return settle(stream, writer.flush());
  return stop(stream);  // nothing was asked of it, so it is an error or a hang-up: its reader has gone
}

// After bytes of a stream went out, or could not.
Status StdioRelay::settle(StdStream stream, const Status& written) {
  if (!written && written.error().code == Errc::closed) return stop(stream);
  RUNWIRE_TRY(written);
  const std::uint64_t waiting = output_.writer_of(stream).waiting();
  for (const StdStream each : {StdStream::out, StdStream::err}) {
    if (each != stream && !output_.shares_one_writer()) continue;
    const auto credit = is_over() ? std::nullopt : command_.grant(each, waiting);
    if (credit) RUNWIRE_TRY(session_.send(*credit));
  }
  return Ok{};
}

Status StdioRelay::stop(StdStream stream) {
  for (const StdStream each : {StdStream::out, StdStream::err}) {
    if (each != stream && !output_.shares_one_writer()) continue;
    const auto message = command_.stop(each);
    if (message && !is_over()) RUNWIRE_TRY(session_.send(*message));
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
