#include "server/connection.hpp"

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <memory>
#include <utility>

#include "proto/frame.hpp"
#include "server/descriptor.hpp"
#include "server/log.hpp"
#include "server/peer.hpp"

namespace runwire {
namespace {

constexpr std::string_view kStateNames[] = {"open", "finishing", "closed"};

}  // namespace

Stream open_stream(uv_loop_t* loop, int descriptor) {
  [[maybe_unused]] int error = 0;  // none: it is a socket of that kind
  if (uv_guess_handle(descriptor) == UV_NAMED_PIPE) {
    auto pipe =
        make_handle<uv_pipe_t>(nullptr, [loop](uv_pipe_t* handle) { return uv_pipe_init(loop, handle, 0); });
    error = uv_pipe_open(pipe.get(), descriptor);
    assert(error == 0);
    return pipe;
  }
  auto tcp = make_handle<uv_tcp_t>(nullptr, [loop](uv_tcp_t* handle) { return uv_tcp_init(loop, handle); });
  error = uv_tcp_open(tcp.get(), descriptor);
  assert(error == 0);
  return tcp;
}

uv_stream_t* raw(const Stream& stream) {
  return std::visit([](const auto& handle) { return as_stream(handle.get()); }, stream);
}

int descriptor_of(const Stream& stream) {
  uv_os_fd_t fd = -1;
  uv_fileno(as_handle(raw(stream)), &fd);
  return fd;
}

// Bytes that libuv still has to write, and what keeps them alive. It frees itself when they are written.
struct Connection::Write {
  std::vector<std::string> pieces;
  SpillFile::Buffer buffer;
  std::vector<uv_buf_t> views;
  uv_write_t request{};

  void skip(std::size_t written) {
    auto view = views.begin();
    for (; view != views.end() && written >= view->len; ++view) written -= view->len;
    views.erase(views.begin(), view);
    if (views.empty()) return;
    views.front().base += written;
    views.front().len -= written;
  }
};

Connection::Connection(ConnectionId id, Stream stream, Context& context)
    : id_(id),
      stream_(std::move(stream)),
      context_(context),
      plain_(id, *this, context.jobs, context.store, context.requests) {
  raw(stream_)->data = this;
}

void Connection::start() { hear(); }

void Connection::hear() {
  is_hushed_ = false;
  const int error =
      uv_read_start(raw(stream_), deliver<&Connection::on_alloc>, deliver<&Connection::on_read>);
  if (error != 0) enter(State::closed);  // the peer was gone before we had begun
}

void Connection::turn_away(const ErrorReply& error) {
  start();
  send({frame_head(to_json_unasked(error))});
  enter(State::finishing);
}

void Connection::wind_up(WindUp why) {
  if (state_ != State::open) return;
  if (frames_)
    frames_->wind_up(why);
  else
    plain_.wind_up(why);
}

void Connection::say_farewell(WindUp why) {
  if (state_ == State::open && frames_) frames_->say_farewell(why);
}

void Connection::command_finished(JobId id, JobResult result) {
  if (frames_)
    frames_->command_finished(id, std::move(result));
  else
    plain_.command_finished(std::move(result));
}

void Connection::on_alloc(std::size_t, uv_buf_t* room) {
  *room = uv_buf_init(context_.store.scratch(), kRelayBytes);
}

void Connection::on_read(ssize_t count, const uv_buf_t* bytes) {
  if (count == UV_EOF) return end_of_input();
  if (count < 0) return enter(State::closed);
  if (count == 0 || state_ != State::open) return;
  if (alarm_ == Alarm::quiet) set_alarm(Alarm::none, 0);
  receive({bytes->base, static_cast<std::size_t>(count)});
}

void Connection::receive(std::string_view bytes) {
  if (!std::exchange(has_spoken_, true) && bytes.front() == kPreface.front()) {
    ByteChannel& channel = *this;
    const FrameSession::Context context{context_.jobs,     context_.kept,   context_.store,
                                        context_.requests, context_.inputs, context_.max_replies,
                                        context_.hello};
    frames_ = std::make_unique<FrameSession>(id_, channel, context);
  }
  if (!frames_) return plain_.received(bytes);
  frames_->received(bytes);
  hush_if_due();
}

// A client that asks and does not listen would fill our memory with answers, and one that asks without an end would
// take all of our time.
void Connection::hush_if_due() {
  const bool is_due = frames_->owes_too_much() || frames_->has_had_its_turn();
  if (state_ != State::open || !is_due || std::exchange(is_hushed_, true)) return;
  uv_read_stop(raw(stream_));
  if (!next_turn_)
    next_turn_ = std::make_unique<AfterTurn>(context_.store.loop(), [this] { hear_next_turn(); });
  next_turn_->arm();
}

void Connection::hear_next_turn() {
  frames_->next_turn();
  if (state_ == State::open && is_hushed_ && !frames_->owes_too_much()) hear();
}

void Connection::end_of_input() {
  eof_ = true;
  if (state_ == State::finishing) return say_goodbye();
  if (frames_) return enter(State::closed);  // where the end of input is a frame, this is the client's end
  plain_.half_closed();
  if (state_ == State::open) watch_peer();
}

// Once its input has ended, a connection hears nothing more from a peer that goes away; but who asked for a
// command and cannot read its reply has gone, and the command goes with it.
void Connection::watch_peer() {
  if (peer_is_gone(descriptor_of(stream_)))
    enter(State::closed);
  else
    set_alarm(Alarm::watch, kWatchMs);
}

void Connection::set_alarm(Alarm alarm, unsigned ms) {
  if (state_ == State::closed) return;
  alarm_ = alarm;
  if (!timer_) timer_ = make_timer(context_.store.loop(), this);
  if (alarm == Alarm::none) {
    uv_timer_stop(timer_.get());
    return;
  }
  uv_update_time(context_.store.loop());  // the loop's idea of now is as old as this turn
  uv_timer_start(timer_.get(), deliver<&Connection::on_alarm>, ms, 0);
}

void Connection::on_alarm() {
  switch (std::exchange(alarm_, Alarm::none)) {
    case Alarm::none:
      return;
    case Alarm::quiet:
      // Where the loop was late, bytes that came in time may wait behind this alarm.
      return has_bytes_waiting(descriptor_of(stream_)) ? await_quiet(kBurstQuietMs) : fall_quiet();
    case Alarm::watch:
      return watch_peer();
    case Alarm::finish:
      return enter(State::closed);
  }
}

void Connection::fall_quiet() {
  if (frames_)
    frames_->quiet();
  else
    plain_.quiet();
}

std::size_t Connection::unsent() const {
  return state_ == State::closed ? SIZE_MAX : uv_stream_get_write_queue_size(raw(stream_));
}

void Connection::send(std::vector<std::string> pieces) {
  auto whole = std::make_unique<Write>();
  whole->pieces = std::move(pieces);
  for (std::string& piece : whole->pieces)
    if (!piece.empty())
      whole->views.push_back(uv_buf_init(piece.data(), static_cast<unsigned>(piece.size())));
  write(std::move(whole));
}

void Connection::send(SpillFile::Buffer bytes, std::size_t size) {
  auto whole = std::make_unique<Write>();
  whole->views.push_back(uv_buf_init(bytes.get(), static_cast<unsigned>(size)));
  whole->buffer = std::move(bytes);
  write(std::move(whole));
}

void Connection::send_now(std::string_view head, std::string_view body) {
  if (state_ == State::closed) return;
  uv_buf_t views[] = {uv_buf_init(const_cast<char*>(head.data()), static_cast<unsigned>(head.size())),
                      uv_buf_init(const_cast<char*>(body.data()), static_cast<unsigned>(body.size()))};
  const int result = uv_try_write(raw(stream_), views, body.empty() ? 1 : 2);
  if (result < 0 && result != UV_EAGAIN) return enter(State::closed);
  const auto taken = static_cast<std::size_t>(std::max(result, 0));
  if (taken == head.size() + body.size()) return;
  auto rest = std::make_unique<Write>();
  std::string& bytes = rest->pieces.emplace_back(head.substr(std::min(taken, head.size())));
  bytes += body.substr(taken - std::min(taken, head.size()));
  rest->views.push_back(uv_buf_init(bytes.data(), static_cast<unsigned>(bytes.size())));
  queue(std::move(rest));
}

void Connection::write(std::unique_ptr<Write> whole) {
  if (state_ == State::closed) return;
  uv_stream_t* stream = raw(stream_);
  const int taken = uv_try_write(stream, whole->views.data(), static_cast<unsigned>(whole->views.size()));
  if (taken < 0 && taken != UV_EAGAIN) return enter(State::closed);
  if (taken > 0) whole->skip(static_cast<std::size_t>(taken));
  if (!whole->views.empty()) queue(std::move(whole));
}

void Connection::queue(std::unique_ptr<Write> whole) {
  whole->request.data = whole.get();
  const int error = uv_write(&whole->request, raw(stream_), whole->views.data(),
                             static_cast<unsigned>(whole->views.size()), [](uv_write_t* request, int status) {
                               std::unique_ptr<Write> done(static_cast<Write*>(request->data));
                               auto* self = static_cast<Connection*>(request->handle->data);
                               done->pieces.clear();
                               if (self != nullptr) self->on_written(status);
                             });
  if (error < 0) return enter(State::closed);
  whole.release();  // its callback frees it
}

void Connection::on_written(int status) {
  if (status < 0) return enter(State::closed);
  if (unsent() > 0) return;
  if (state_ == State::finishing) return say_goodbye();
  if (!frames_) return plain_.drained();
  frames_->drained();
  if (is_hushed_) hear_next_turn();
}

// FIN, and then wait for the peer's: closing with bytes unread would reset the connection, and the peer could
// lose what we have just sent (RFC 1122 4.2.2.13).
void Connection::say_goodbye() {
  if (unsent() > 0) return;
  if (eof_) return enter(State::closed);
  if (std::exchange(goodbye_, true)) return;
  auto request = std::make_unique<uv_shutdown_t>();
  const int error = uv_shutdown(request.get(), raw(stream_),
                                [](uv_shutdown_t* done, int) { std::unique_ptr<uv_shutdown_t> freed(done); });
  if (error < 0) return enter(State::closed);
  request.release();
  set_alarm(Alarm::finish, kFinishMs);
}

Result<Descriptor> Connection::take_descriptor() {
  auto taken = copy_of(descriptor_of(stream_), "a connection");
  if (taken) close();
  return taken;
}

void Connection::drop(std::string_view why) {
  context_.refused(id_, why);
  enter(State::closed);
}

void Connection::enter(State next) {
  if (next <= state_) return;
  log::debug("connection")
      .add("conn", static_cast<std::int64_t>(id_))
      .add("from", kStateNames[static_cast<std::size_t>(state_)])
      .add("to", kStateNames[static_cast<std::size_t>(next)]);
  state_ = next;
  if (next == State::finishing) return say_goodbye();
  if (frames_) frames_->closed();
  next_turn_.reset();
  timer_.reset();
  std::visit([](auto& handle) { handle.reset(); }, stream_);
  context_.closed(id_);
}

}  // namespace runwire
