#include "client/relay_input.hpp"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>

namespace runwire {

Status RelayInput::read(std::size_t size) {
  if (size == 0) return Ok{};  // which read(2) could not tell from the end
  if (!buffer_) buffer_ = std::make_unique_for_overwrite<char[]>(kMost);
  const auto moved = in_.read_now(buffer_.get(), std::min(size, kMost));
  if (moved.error == EAGAIN) return Ok{};
  const bool was_closed = moved.error == EBADF;  // from the start: there is nothing to be read
  if (moved.error != 0 && !was_closed)
    return Error{Errc::io, std::string("stdin: ") + std::strerror(moved.error)};
  std::string_view bytes(buffer_.get(), moved.bytes);
  has_ended_ = bytes.empty();
  std::string passed;
  if (escape_) bytes = passed = has_ended_ ? escape_->finish() : escape_->pass(bytes);
  if (encoding_ == nullptr)
    held_ += bytes;
  else
    held_ += encoding_->in.convert(bytes) + (has_ended_ ? encoding_->in.finish() : "");
  return Ok{};
}

std::string_view RelayInput::from(std::uint64_t off) {
  if (held_.empty()) held_from_ = off;
  assert(off >= held_from_);
  const std::uint64_t skipped = std::min<std::uint64_t>(off - held_from_, held_.size());
  return std::string_view(held_).substr(static_cast<std::size_t>(skipped));
}

void RelayInput::forget_before(std::uint64_t off) {
  if (off <= held_from_) return;
  const std::uint64_t forgotten = std::min<std::uint64_t>(off - held_from_, held_.size());
  held_.erase(0, static_cast<std::size_t>(forgotten));
  held_from_ += forgotten;
}

}  // namespace runwire
