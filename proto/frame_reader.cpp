#include "proto/frame_reader.hpp"

#include <algorithm>
#include <cassert>

namespace runwire {

void FrameReader::feed(std::string_view bytes) {
  assert(fed_.empty());
  fed_ = bytes;
}

std::string_view FrameReader::take_whole(std::size_t n) {
  if (partial_taken_) {
    partial_.clear();
    partial_taken_ = false;
  }
  if (partial_.empty() && fed_.size() >= n) {
    std::string_view whole = fed_.substr(0, n);
    fed_.remove_prefix(n);
    return whole;
  }
  const std::size_t missing = std::min(n - partial_.size(), fed_.size());
  partial_.append(fed_.substr(0, missing));
  fed_.remove_prefix(missing);
  if (partial_.size() < n) return {};
  partial_taken_ = true;
  return partial_;
}

Piece FrameReader::next() {
  switch (state_) {
    case State::length:
    case State::header:
      return next_header();
    case State::payload:
      return next_payload();
    case State::broken:
      break;
  }
  return {Piece::broken, {}};
}

Piece FrameReader::next_header() {
  if (state_ == State::length) {
    const std::string_view field = take_whole(kLengthBytes);
    if (field.empty()) return {Piece::need_more, {}};
    header_bytes_ = decode_length(field.data());
    if (!is_legal_length(header_bytes_)) {
      error_ = "header length " + std::to_string(header_bytes_) + " is outside " +
               std::to_string(kMinHeaderBytes) + ".." + std::to_string(kMaxHeaderBytes);
      state_ = State::broken;
      return {Piece::broken, {}};
    }
    state_ = State::header;
  }
  const std::string_view header = take_whole(header_bytes_);
  if (header.empty()) return {Piece::need_more, {}};
  payload_left_ = 0;
  state_ = State::payload;
  return {Piece::header, header};
}

Piece FrameReader::next_payload() {
  if (payload_left_ == 0) {
    if (partial_taken_) {
      partial_.clear();
      partial_taken_ = false;
    }
    state_ = State::length;
    return {Piece::end, {}};
  }
  if (fed_.empty()) return {Piece::need_more, {}};
  const std::string_view piece =
      fed_.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(payload_left_, fed_.size())));
  fed_.remove_prefix(piece.size());
  payload_left_ -= piece.size();
  return {Piece::payload, piece};
}

}  // namespace runwire
