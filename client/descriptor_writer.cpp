#include "client/descriptor_writer.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "client/output.hpp"

namespace runwire {

DescriptorWriter::DescriptorWriter(int fd, std::string name)
    : descriptor_(fd), name_(std::move(name)), is_terminal_(::isatty(fd) == 1) {}

short DescriptorWriter::events() const { return waiting() > 0 ? POLLOUT : 0; }

Status DescriptorWriter::write_from(std::string_view& bytes) {
  while (!bytes.empty()) {
    const auto moved = descriptor_.write_now(bytes);
    bytes.remove_prefix(moved.bytes);
    if (moved.error == EAGAIN) return Ok{};
    if (moved.error == 0) continue;
    waiting_.clear();
    written_ = 0;
    const std::string why = name_ + ": " + std::strerror(moved.error);
    if (moved.error == EPIPE || moved.error == ECONNRESET) return Error{Errc::closed, why};
    return Error{Errc::io, why + kOutputIsLost};
  }
  return Ok{};
}

Status DescriptorWriter::write(std::string_view bytes) {
  RUNWIRE_TRY(flush());
  if (waiting() == 0) RUNWIRE_TRY(write_from(bytes));
  waiting_.append(bytes);
  return Ok{};
}

Status DescriptorWriter::flush() {
  std::string_view left = std::string_view(waiting_).substr(written_);
  if (left.empty()) return Ok{};
  RUNWIRE_TRY(write_from(left));
  written_ = waiting_.size() - left.size();
  if (written_ < waiting_.size() / 2) return Ok{};  // not at every step: what is left is moved
  waiting_.erase(0, written_);
  written_ = 0;
  return Ok{};
}

}  // namespace runwire
