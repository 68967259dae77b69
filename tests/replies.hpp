// Takes plain replies apart again.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "proto/frame_reader.hpp"
#include "proto/message.hpp"

namespace runwire::test {

struct Reply {
  ReplyHeader header;
  std::string payload;

  std::string out() const { return payload.substr(0, header.stdout_bytes.value_or(0)); }
  std::string err() const { return payload.substr(header.stdout_bytes.value_or(0)); }
  std::string error() const { return header.error ? header.error->error : ""; }
};

// All whole replies in `bytes`.
inline std::vector<Reply> replies_in(std::string_view bytes) {
  std::vector<Reply> replies;
  Reply next;
  FrameReader reader;
  reader.feed(bytes);
  for (;;) {
    const Piece piece = reader.next();
    if (piece.kind == Piece::need_more) return replies;
    REQUIRE(piece.kind != Piece::broken);
    if (piece.kind == Piece::header) {
      auto header = parse_reply_header(piece.bytes);
      REQUIRE(header.ok());
      next = {*header, ""};
      reader.expect_payload(next.header.len);
    } else if (piece.kind == Piece::payload) {
      next.payload += piece.bytes;
    } else {
      replies.push_back(next);
    }
  }
}

}  // namespace runwire::test
