#include "server/output_pipe.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <utility>

#include "server/descriptor.hpp"

namespace runwire {
namespace {

// Then others have their turn: a background process may write without an end.
constexpr int kReadsAtOnce = 32;
constexpr std::uint64_t kMuchBytes = 1 << 20;  // of a command that will not end at once

// Whether a terminal still has bytes to be read. poll(2) alone may take an end for some, a count alone may miss those
// that are on their way.
bool has_more(int terminal) {
  int count = 0;
  return has_bytes_waiting(terminal) && ioctl(terminal, FIONREAD, &count) == 0 && count > 0;
}

}  // namespace

OutputPipe::OutputPipe(OutputStore& store, OutputQuota& quota, Events events)
    : store_(store), quota_(quota), events_(std::move(events)), wide_(store.pipe_memory()) {}

void OutputPipe::open(int fd, OutputLog& log) {
  log_ = &log;
  open(fd);
}

void OutputPipe::open(int fd, Relay relay) {
  relay_ = std::move(relay);
  open(fd);
}

void OutputPipe::open(int fd) {
  pipe_ =
      make_handle<uv_pipe_t>(this, [this](uv_pipe_t* pipe) { return uv_pipe_init(store_.loop(), pipe, 0); });
  [[maybe_unused]] const int error = uv_pipe_open(pipe_.get(), fd);
  assert(error == 0);  // it only fails for what is no pipe
  start_reading();
}

void OutputPipe::hold(int fd, OutputLog& log) {
  log_ = &log;
  held_ = Descriptor(fd);
}

void OutputPipe::read_held() {
  for (int reads = 0; reads < kReadsAtOnce && read_once(); ++reads) continue;
  watch();
}

// False when there is nothing (more) to be read now.
bool OutputPipe::read_once() {
  if (held_.get() < 0) return false;
  uv_buf_t room;
  on_alloc(kReadBytes, &room);
  if (room.len == 0) return false;
  const ssize_t count = read(held_.get(), room.base, room.len);
  const bool is_dry = count < 0 && (errno == EAGAIN || errno == EINTR);  // watch() finds what is left
  on_bytes(is_dry ? 0 : count <= 0 ? static_cast<ssize_t>(UV_EOF) : count, &room);
  return !is_dry;
}

void OutputPipe::watch() {
  if (held_.get() >= 0) open(held_.release());
}

void OutputPipe::start_reading() {
  paused_ = false;
  [[maybe_unused]] const int error =
      uv_read_start(as_stream(pipe_.get()), deliver<&OutputPipe::on_alloc>, deliver<&OutputPipe::on_bytes>);
  assert(error == 0);
}

void OutputPipe::resume() {
  if (pipe_ && paused_) start_reading();
}

void OutputPipe::discard() {
  watch();
  log_ = nullptr;
  relay_.reset();
  narrow();
  resume();
}

void OutputPipe::close() {
  held_ = Descriptor();
  pipe_.reset();
  paused_ = false;
  wide_.give_back(wide_.held());
}

bool OutputPipe::has_bytes_waiting() const { return pipe_ && runwire::has_bytes_waiting(descriptor()); }

int OutputPipe::descriptor() const {
  if (!pipe_) return held_.get();
  uv_os_fd_t fd = -1;
  uv_fileno(as_handle(pipe_.get()), &fd);
  return fd;
}

void OutputPipe::on_alloc(std::size_t, uv_buf_t* room) {
  const OutputLog::Room into = next_room();
  *room = uv_buf_init(into.start, static_cast<unsigned>(into.size));
}

OutputLog::Room OutputPipe::next_room() {
  if (relay_) return {store_.scratch(), std::min(relay_->room(), kRelayBytes)};
  keeping_ = log_ != nullptr && quota_.left > 0;
  if (!keeping_) return {store_.scratch(), kReadBytes};
  return log_->room(static_cast<std::size_t>(std::min<std::uint64_t>(quota_.left, kSpillBufferBytes)));
}

void OutputPipe::on_bytes(ssize_t count, const uv_buf_t* bytes) {
  if (count == UV_ENOBUFS) return on_no_room();
  const bool kept = std::exchange(keeping_, false);
  if (kept) keep(count > 0 ? static_cast<std::size_t>(count) : 0);
  if (count < 0) return on_end();
  if (count == 0) return;
  if (relay_) relay({bytes->base, static_cast<std::size_t>(count)});
  const bool exceeded = !kept && log_ != nullptr;
  if (exceeded) events_.on_exceeded();
  events_.on_read(static_cast<std::size_t>(count));
}

// An end needs no room, so that it is not held up where room is given only for bytes. Without an end and without bytes
// the pipe goes on being watched for either.
void OutputPipe::on_no_room() {
  const bool is_over = is_hung_up(descriptor());  // asked first: then no more bytes can come
  if (relay_ && !has_bytes_waiting()) {
    if (is_over) on_end();
    return;
  }
  paused_ = true;
  uv_read_stop(as_stream(pipe_.get()));
}

// Of a terminal the end is an error (EIO). libuv takes a hang-up behind a read that was not full for the end, too; but
// a terminal gives only a part of what it has.
void OutputPipe::on_end() {
  if (pipe_ && is_terminal_ && has_more(descriptor())) return start_reading();
  close();
  events_.on_eof();
}

void OutputPipe::relay(std::string_view bytes) {
  took(bytes.size());
  relay_->hand_on(bytes);
}

void OutputPipe::took(std::size_t bytes) {
  const bool was_little = taken_ < kMuchBytes;
  taken_ += bytes;
  if (was_little && taken_ >= kMuchBytes) widen();
}

// Fewer wake-ups for more bytes each, here and in the command. Where the system allows no more, it stays as it is.
void OutputPipe::widen() {
#ifdef F_SETPIPE_SZ
  const std::size_t reserved = relay_ ? 0 : kWidePipesOfStreams * kWidePipeBytes;
  if (is_terminal_ || store_.pipe_memory().left() < kWidePipeBytes + reserved) return;
  if (wide_.extend(kWidePipeBytes)) fcntl(descriptor(), F_SETPIPE_SZ, kWidePipeBytes);
#endif
}

// Of a background process, which may live long, while others have a use for what it holds. Not where more is in it.
void OutputPipe::narrow() {
#ifdef F_SETPIPE_SZ
  if (wide_.held() > 0 && fcntl(descriptor(), F_SETPIPE_SZ, kReadBytes) >= 0) wide_.give_back(wide_.held());
#endif
}

void OutputPipe::keep(std::size_t bytes) {
  log_->commit(bytes);
  quota_.left -= bytes;
  took(bytes);
}

}  // namespace runwire
