#include "server/input_pipe.hpp"

#include <cassert>
#include <memory>
#include <utility>

#include "server/pty.hpp"

namespace runwire {

// Bytes that libuv still has to write. It frees itself when they are written.
struct InputPipe::Write {
  std::string bytes;
  uv_write_t request{};
};

InputPipe::InputPipe(uv_loop_t* loop, Events events) : loop_(loop), events_(std::move(events)) {}

void InputPipe::open(int fd, bool is_terminal) {
  assert(state_ == State::early);
  is_terminal_ = is_terminal;
  pipe_ = make_handle<uv_pipe_t>(this, [this](uv_pipe_t* pipe) { return uv_pipe_init(loop_, pipe, 0); });
  [[maybe_unused]] const int error = uv_pipe_open(pipe_.get(), fd);
  assert(error == 0);  // it only fails for what is no pipe
  state_ = State::open;
  settle();
}

void InputPipe::write(std::string_view bytes) {
  if (state_ == State::closed) return;
  if (!bytes.empty()) is_within_a_line_ = bytes.back() != '\n' && bytes.back() != '\r';
  const bool may_go = state_ == State::open && under_way_ == nullptr && waiting_.empty();
  if (may_go) bytes.remove_prefix(put_now(bytes));
  if (state_ == State::closed || bytes.empty()) return;
  waiting_.append(bytes);
  settle();
}

void InputPipe::end() {
  at_end_ = true;
  settle();
}

void InputPipe::close() {
  state_ = State::closed;
  pipe_.reset();
  waiting_ = {};
  under_way_ = nullptr;
}

int InputPipe::descriptor() const {
  uv_os_fd_t fd = -1;
  if (pipe_) uv_fileno(as_handle(pipe_.get()), &fd);
  return fd;
}

InputPipe::Rest InputPipe::rest() const { return {unsent(), at_end_, is_within_a_line_, tells_end_}; }

void InputPipe::go_on(const Rest& rest) {
  assert(state_ == State::early);
  is_within_a_line_ = rest.is_within_a_line;
  tells_end_ = rest.tells_end;
  at_end_ = rest.is_at_end;
  write(rest.bytes);
}

std::string InputPipe::unsent() const {
  if (under_way_ == nullptr) return waiting_;
  const std::size_t left = uv_stream_get_write_queue_size(as_stream(pipe_.get()));
  return under_way_->bytes.substr(under_way_->bytes.size() - left) + waiting_;
}

std::size_t InputPipe::untold() const {
  if (under_way_ == nullptr || tells_end_) return 0;
  return under_way_->bytes.size() - uv_stream_get_write_queue_size(as_stream(pipe_.get()));
}

// How many bytes are out of our hands.
std::size_t InputPipe::put_now(std::string_view bytes) {
  uv_buf_t view = uv_buf_init(const_cast<char*>(bytes.data()), static_cast<unsigned>(bytes.size()));
  const int taken = uv_try_write(as_stream(pipe_.get()), &view, 1);
  if (taken == UV_EAGAIN) return 0;
  if (taken < 0) return break_off(), bytes.size();
  events_.on_taken(static_cast<std::size_t>(taken));
  return static_cast<std::size_t>(taken);
}

void InputPipe::put_later() {
  auto write = std::make_unique<Write>();
  write->bytes = std::exchange(waiting_, {});
  write->request.data = write.get();
  uv_buf_t view = uv_buf_init(write->bytes.data(), static_cast<unsigned>(write->bytes.size()));
  const int error =
      uv_write(&write->request, as_stream(pipe_.get()), &view, 1, [](uv_write_t* request, int status) {
        const std::unique_ptr<Write> done(static_cast<Write*>(request->data));
        auto* self = static_cast<InputPipe*>(request->handle->data);
        if (self != nullptr) self->on_written(status, done->bytes.size());
      });
  if (error < 0) return break_off();
  under_way_ = write.release();  // its callback frees it
}

void InputPipe::on_written(int status, std::size_t bytes) {
  under_way_ = nullptr;
  if (status < 0) return break_off();
  if (!tells_end_) events_.on_taken(bytes);
  settle();
}

void InputPipe::settle() {
  if (state_ != State::open || under_way_ != nullptr) return;
  if (!waiting_.empty()) return put_later();
  if (!at_end_) return;
  if (is_terminal_ && !tells_end_) return tell_end();
  close();
}

// A terminal has no end but what its user types.
void InputPipe::tell_end() {
  tells_end_ = true;
  uv_os_fd_t fd = -1;
  uv_fileno(as_handle(pipe_.get()), &fd);
  waiting_ = end_of_input(fd, is_within_a_line_);
  settle();
}

void InputPipe::break_off() {
  close();
  events_.on_closed();
}

}  // namespace runwire
