// Reads what a daemon says to one client, and holds it to the protocol.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "proto/frame_reader.hpp"
#include "proto/message.hpp"
#include "proto/session_message.hpp"
#include "tests/fuzz/require.hpp"

namespace runwire::fuzz {

class ServerWords {
 public:
  // Which of the two conversations it is; known before anything is heard.
  void choose(bool is_session) { is_session_ = is_session; }

  void hear(std::string_view bytes) {
    require(bytes.empty() || !is_over_, "nothing follows the error that ends a session");
    reader_.feed(bytes);
    for (;;) {
      const Piece piece = reader_.next();
      if (piece.kind == Piece::need_more) return;
      require(piece.kind != Piece::broken, "a server's frames have legal sizes");
      if (piece.kind == Piece::header) reader_.expect_payload(take_header(piece.bytes));
    }
  }

 private:
  struct Command {
    std::uint64_t out = 0, err = 0;  // bytes heard
  };

  std::uint64_t take_header(std::string_view json) {
    require(!is_over_, "nothing follows the error that ends a session");
    if (!is_session_) {
      const auto header = parse_reply_header(json);
      require(header.ok() && !header->original, "a plain reply is well-formed");
      return header->len;
    }
    const auto message = parse_server_message(json);
    require(message.ok(), "a session's message is well-formed");
    std::visit([this](const auto& each) { take(each); }, *message);
    require(has_hello_ || is_over_, "hello comes first");
    return payload_bytes(*message);
  }

  void take(const ServerHello&) {
    require(!has_hello_, "hello comes once");
    has_hello_ = true;
  }
  void take(const Started& started) {
    require(running_.emplace(started.id, Command{}).second, "a command starts once");
  }
  void take(const Output& output) {
    const auto found = running_.find(output.id);
    require(found != running_.end(), "output belongs to a command that was started");
    auto& heard = output.stream == StdStream::out ? found->second.out : found->second.err;
    require(output.off == heard && output.len > 0, "output has no gap");
    heard += output.len;
  }
  void take(const Exit& exit) {
    require(exit.reason.has_value(), "an exit has a reason that is known");
    const auto found = running_.find(exit.id);
    if (found == running_.end()) return;  // its reply is whole
    const bool is_all = exit.stdout_bytes == found->second.out && exit.stderr_bytes == found->second.err;
    require(is_all && exit.len == 0, "exit comes after the last byte");
    running_.erase(found);
  }
  void take(const SessionError& error) {
    const bool is_about_one = !error.id.empty() || error.error.error == error_name::kUnsupported ||
                              error.error.error == error_name::kBusy;
    is_over_ = !is_about_one;
    if (error.error.error == error_name::kSpawn) running_.erase(error.id);
  }
  void take(const Credit& credit) {
    require(credit.stream == StdStream::in && credit.bytes > 0, "credit is for input");
  }
  void take(const Stop&) {}
  void take(const Ping&) {}
  void take(const Pong&) {}
  void take(const Optional&) { require(false, "a server says only what is known"); }
  template <class News> void take(const News&) {}  // of kept commands

  bool is_session_ = false, has_hello_ = false, is_over_ = false;
  FrameReader reader_;
  std::map<std::string, Command> running_;
};

}  // namespace runwire::fuzz
