// Takes what a daemon says in a session apart again.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proto/frame.hpp"
#include "proto/frame_reader.hpp"
#include "proto/session_message.hpp"

namespace runwire::test {

struct SessionFrame {
  std::string header;
  ServerMessage message;
  std::string payload;

  template <class Message> bool is() const { return std::holds_alternative<Message>(message); }
  template <class Message> const Message& as() const {
    REQUIRE_MESSAGE(is<Message>(), header);
    return std::get<Message>(message);
  }
  // Its type, and the id where it has one: "started a".
  std::string name() const {
    std::string name = header.substr(9, header.find('"', 9) - 9);  // behind {"type":"
    const auto id = header.find(R"("id":")");
    if (id != header.npos) name += " " + header.substr(id + 6, header.find('"', id + 6) - id - 6);
    return name;
  }
};

// All whole frames in `bytes`.
inline std::vector<SessionFrame> session_frames_in(std::string_view bytes) {
  std::vector<SessionFrame> frames;
  SessionFrame next;
  FrameReader reader;
  reader.feed(bytes);
  for (;;) {
    const Piece piece = reader.next();
    if (piece.kind == Piece::need_more) return frames;
    REQUIRE(piece.kind != Piece::broken);
    if (piece.kind == Piece::header) {
      auto message = parse_server_message(piece.bytes);
      REQUIRE_MESSAGE(message.ok(), piece.bytes);
      next = {std::string(piece.bytes), *message, ""};
      reader.expect_payload(payload_bytes(next.message));
    } else if (piece.kind == Piece::payload) {
      next.payload += piece.bytes;
    } else {
      frames.push_back(next);
    }
  }
}

// Names of frames, one behind the other.
inline std::string names_of(const std::vector<SessionFrame>& frames) {
  std::string names;
  for (const SessionFrame& frame : frames) names += (names.empty() ? "" : ", ") + frame.name();
  return names;
}

inline std::string frame_of(std::string_view header, std::string_view payload = "") {
  return frame_head(header) + std::string(payload);
}

}  // namespace runwire::test
