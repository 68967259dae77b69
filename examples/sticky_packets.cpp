// Why there is a frame. TCP carries a stream of bytes and knows no messages: where one send ended and the next
// began is forgotten on the way. Three messages that were sent one by one lie in the receiver's buffer as one
// ("sticky packets"), and come out in pieces as large as the receiver asks for.
//
// Both ends of the connection are in this one program, so that the whole story is on one page.
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "client/channel.hpp"
#include "examples/loopback.hpp"
#include "proto/frame.hpp"
#include "proto/frame_reader.hpp"
#include "proto/json_writer.hpp"
#include "proto/message.hpp"

using namespace runwire;
using Pieces = std::vector<std::string>;

namespace {

const Pieces kMessages = {"hello", "sticky", "TCP"};  // 5, 6 and 3 bytes: 14 in all
const std::size_t kReads[] = {4, 5, 5};               // also 14 in all, but cut elsewhere

// `count` bytes of the connection, or what there is before its end.
std::string read_bytes(int connection, std::size_t count) {
  std::string bytes(count, '\0');
  const ssize_t n = ::recv(connection, bytes.data(), bytes.size(), MSG_WAITALL);
  example::must(n >= 0, "recv");
  bytes.resize(static_cast<std::size_t>(n));
  return bytes;
}

void send_each(Channel& channel, const Pieces& pieces) {
  for (const std::string& piece : pieces) example::must(channel.write_all(piece).ok(), "send");
}

// What a receiver makes of it that believes one read to be one message.
Pieces read_without_frames(int connection) {
  Pieces pieces;
  for (const std::size_t size : kReads) pieces.push_back(read_bytes(connection, size));
  return pieces;
}

std::string framed(const std::string& message) {
  JsonWriter header;
  header.number("len", static_cast<std::int64_t>(message.size()));
  return frame_head(std::move(header).finish()) + message;
}

// Takes what the reader finds in `bytes`: the start, more, or the end of a message, or several of them.
void take_messages(FrameReader& reader, std::string_view bytes, Pieces& messages) {
  reader.feed(bytes);
  for (;;) {
    const Piece piece = reader.next();
    if (piece.kind == Piece::need_more) return;
    example::must(piece.kind != Piece::broken, "reading a frame");
    if (piece.kind == Piece::header) {
      const auto header = parse_reply_header(piece.bytes);
      example::must(header.ok(), "reading a header");
      reader.expect_payload(header->len);
      messages.emplace_back();
    }
    if (piece.kind == Piece::payload) messages.back() += piece.bytes;
  }
}

// The same small reads of 4, 5, 5 bytes, again and again: now each message says itself how long it is, and how
// the stream is cut does not matter any more.
Pieces read_frames(int connection) {
  FrameReader reader;
  Pieces messages;
  for (std::size_t i = 0;; ++i) {
    const std::string bytes = read_bytes(connection, kReads[i % std::size(kReads)]);
    if (bytes.empty()) return messages;
    take_messages(reader, bytes, messages);
  }
}

void show(const char* what, const Pieces& pieces) {
  std::printf("%-23s", what);
  for (const std::string& piece : pieces) std::printf(" [%s]", piece.c_str());
  std::printf("\n");
}

}  // namespace

int main() {
  const example::Listener listener = example::listen_on_loopback();
  auto sender = Channel::connect({"", "127.0.0.1", listener.port}, std::chrono::seconds(5));
  example::must(sender.ok(), "connect");
  const UniqueFd receiver = example::accept_one(listener);

  show("sent:", kMessages);
  send_each(*sender, kMessages);
  show("read 4, 5, 5 at a time:", read_without_frames(receiver.get()));

  Pieces frames;
  for (const std::string& message : kMessages) frames.push_back(framed(message));
  send_each(*sender, frames);
  sender->close_orderly();
  show("the same, in frames:", read_frames(receiver.get()));
}
