#include "client/line_reader.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "client/output.hpp"
#include "proto/limits.hpp"

namespace runwire {
namespace {

enum class Ready { input, interrupt };

Ready await_input(int fd, int interrupt_fd) {
  for (;;) {
    pollfd watched[] = {{fd, POLLIN, 0}, {interrupt_fd, POLLIN, 0}};
    if (::poll(watched, 2, -1) < 0) {
      if (errno == EINTR) continue;
      return Ready::input;  // reading will tell what is wrong
    }
    return watched[1].revents != 0 ? Ready::interrupt : Ready::input;
  }
}

}  // namespace

LineReader::LineReader(int fd, Signals* interrupt)
    : fd_(fd), interrupt_(interrupt), shows_prompt_(::isatty(fd) == 1) {}

std::optional<Line> LineReader::take_line() {
  const std::size_t newline = ahead_.find('\n', searched_);
  searched_ = ahead_.size();
  const bool last = newline == ahead_.npos;
  if (last && !at_end_) return std::nullopt;
  if (last && ahead_.empty()) return Line{Line::end, ""};
  Line line = {Line::command, ahead_.substr(0, newline)};
  ahead_.erase(0, last ? ahead_.npos : newline + 1);
  searched_ = 0;
  return line;
}

Status LineReader::read_more() {
  char buffer[4096];
  const ssize_t n = ::read(fd_, buffer, sizeof buffer);
  if (n < 0 && errno != EINTR && errno != EAGAIN)
    return Error{Errc::io, std::string("stdin: ") + std::strerror(errno) + "; give the commands on stdin"};
  if (n == 0) at_end_ = true;
  if (n > 0) ahead_.append(buffer, static_cast<std::size_t>(n));
  return Ok{};
}

Line LineReader::forget() {
  interrupt_->take();
  ahead_.clear();
  searched_ = 0;
  if (shows_prompt_) (void)write_fully(STDERR_FILENO, "\n", "stderr");  // the terminal has shown ^C
  return {Line::interrupted, ""};
}

Result<Line> LineReader::next() {
  if (shows_prompt_) RUNWIRE_TRY(write_fully(STDERR_FILENO, kPrompt, "stderr"));
  for (;;) {
    if (auto line = take_line()) return *line;
    if (ahead_.size() > kMaxCommandBytes)
      return Error{Errc::invalid_argument,
                   "a line of the input is longer than a command may be (1 MiB); split it"};
    if (await_input(fd_, interrupt_ == nullptr ? -1 : interrupt_->fd()) == Ready::interrupt) return forget();
    RUNWIRE_TRY(read_more());
  }
}

}  // namespace runwire
