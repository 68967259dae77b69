// Takes frames out of a byte stream that arrives in pieces of any size.
//
// It is a state machine over bytes: no socket, no JSON. The caller feeds what it has read and is told,
// piece by piece, what it was; having looked at a header it says how long the payload is. A payload is
// handed on as it comes and never collected, so a frame of any size costs the reader at most one header.
//
//   reader.feed(bytes);
//   for (;;) switch (auto piece = reader.next(); piece.kind) {
//     case Piece::need_more: ... read and feed again ...
//     case Piece::header:    reader.expect_payload(len_of(piece.bytes)); break;
//     case Piece::payload:   write(piece.bytes); break;
//     case Piece::end:       ... the frame is complete ...
//     case Piece::broken:    ... reader.error() ...
//   }
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proto/frame.hpp"

namespace runwire {

struct Piece {
  enum Kind { need_more, header, payload, end, broken } kind;
  std::string_view bytes;  // header and payload only; valid until the next call of feed() or next()
};

class FrameReader {
 public:
  // REQUIRES: the last next() said need_more (or there was none). `bytes` must stay alive until the next
  // need_more: the reader looks into it and copies only a header that is not yet whole.
  void feed(std::string_view bytes);

  // What comes next in the stream. After `broken` it says `broken` for ever.
  Piece next();

  // REQUIRES: the last piece was a header. Without a call the payload is empty.
  void expect_payload(std::uint64_t bytes) { payload_left_ = bytes; }

  // True between frames: a stream that ends here ends cleanly; elsewhere it is cut short.
  bool at_boundary() const { return state_ == State::length && partial_.empty() && fed_.empty(); }

  // Why the stream is broken; names the limit. Empty unless `broken`.
  const std::string& error() const { return error_; }

 private:
  enum class State { length, header, payload, broken };

  // The next n bytes as one view, or an empty view where they are not all there yet.
  std::string_view take_whole(std::size_t n);
  Piece next_header();
  Piece next_payload();

  State state_ = State::length;
  std::string_view fed_;        // not yet looked at; owned by the caller
  std::string partial_;         // a length field or header whose bytes came in several pieces
  bool partial_taken_ = false;  // partial_ was handed out and is to be emptied
  std::uint32_t header_bytes_ = 0;
  std::uint64_t payload_left_ = 0;
  std::string error_;
};

}  // namespace runwire
