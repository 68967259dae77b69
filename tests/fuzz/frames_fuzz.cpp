// The readers of frames and of their headers, of either side, and the judge of a request's first bytes.
//
// Input: a byte that says how many bytes come at a time (0: all at once), then the stream.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "proto/frame_reader.hpp"
#include "proto/message.hpp"
#include "proto/opening.hpp"
#include "proto/session_message.hpp"
#include "tests/fuzz/require.hpp"

using namespace runwire;
using runwire::fuzz::require;

namespace {

// Everything that a reader was told, so that two readings can be compared.
struct Heard {
  std::string said;
  std::string payload;  // of the frame under way
  bool ended = false;   // by an error

  bool operator==(const Heard&) const = default;
};

constexpr std::size_t kKeptBytes = kMaxSessionPayloadBytes;

// What is read can be written, and says the same again.
template <class Message> std::string canonical(const Message& message) {
  return std::visit(
      [](const auto& each) -> std::string {
        using Each = std::decay_t<decltype(each)>;
        if constexpr (std::is_same_v<Each, Reserved> || std::is_same_v<Each, Optional>)
          return "";
        else if constexpr (std::is_same_v<Each, Exit>)
          return each.reason ? to_json(each) : "";
        else
          return to_json(each);
      },
      message);
}

void check_start(const Start& start, std::string_view payload) {
  const auto words = split_start_payload(start, payload);
  if (!words) return;
  require(join_start_payload(*words, start.shell) == payload, "the words of a start are its payload");
  require(start.shell || words->argv.size() == start.argc, "as many words as announced");
}

struct FromClient {
  static Result<std::uint64_t> read(std::string_view json, std::string& said) {
    const auto message = parse_client_message(json);
    if (!message) return message.error();
    said += std::to_string(message->index());
    const std::string text = canonical(*message);
    if (text.empty()) return payload_bytes(*message);
    const auto again = parse_client_message(text);
    require(again.ok() && canonical(*again) == text, "a client's message survives being written");
    return payload_bytes(*message);
  }
  static void end(std::string_view json, std::string_view payload) {
    const auto message = parse_client_message(json);
    if (const auto* start = std::get_if<Start>(&*message)) check_start(*start, payload);
  }
};

struct FromServer {
  static Result<std::uint64_t> read(std::string_view json, std::string& said) {
    const auto message = parse_server_message(json);
    if (!message) return message.error();
    said += std::to_string(message->index());
    const std::string text = canonical(*message);
    if (text.empty()) return payload_bytes(*message);
    const auto again = parse_server_message(text);
    require(again.ok() && canonical(*again) == text, "a server's message survives being written");
    return payload_bytes(*message);
  }
  static void end(std::string_view, std::string_view) {}
};

struct Reply {
  static Result<std::uint64_t> read(std::string_view json, std::string& said) {
    const auto header = parse_reply_header(json);
    if (!header) return header.error();
    said += header->filename;
    const bool adds_up = !header->stdout_bytes || !header->stderr_bytes ||
                         *header->stdout_bytes + *header->stderr_bytes == header->len;
    require(adds_up, "stdout and stderr of a reply add up");
    require(!header->error || (!header->status && header->len == 0),
            "an error has neither status nor output");
    return header->len;
  }
  static void end(std::string_view, std::string_view) {}
};

// One frame after the other, as far as `reader` knows the stream.
template <class Side> void take(FrameReader& reader, Heard& heard, std::string& header) {
  while (!heard.ended) {
    const Piece piece = reader.next();
    if (piece.kind == Piece::need_more) return;
    if (piece.kind == Piece::header) {
      require(is_legal_length(static_cast<std::uint32_t>(piece.bytes.size())), "a header has a legal size");
      header = piece.bytes;
      const auto len = Side::read(header, heard.said);
      heard.said += len ? "" : len.error().message;
      heard.ended = !len;
      if (len) reader.expect_payload(*len);
    } else if (piece.kind == Piece::payload) {
      require(!piece.bytes.empty(), "a piece of payload has bytes");
      heard.payload += piece.bytes.substr(0, kKeptBytes - std::min(kKeptBytes, heard.payload.size()));
    } else if (piece.kind == Piece::end) {
      if (heard.payload.size() < kKeptBytes) Side::end(header, heard.payload);
      heard.said += heard.payload + ";";
      heard.payload.clear();
    } else {
      heard.said += reader.error();
      heard.ended = true;
    }
  }
}

template <class Side> Heard hear(std::string_view stream, std::size_t step) {
  FrameReader reader;
  Heard heard;
  std::string header;
  for (std::size_t at = 0; at < stream.size() && !heard.ended; at += step) {
    const std::string piece(stream.substr(at, step));  // of its own, so that a view beyond its end is seen
    reader.feed(piece);
    take<Side>(reader, heard, header);
  }
  return heard;
}

template <class Side> void check_side(std::string_view stream, std::size_t step) {
  const Heard whole = hear<Side>(stream, std::max<std::size_t>(stream.size(), 1));
  require(hear<Side>(stream, step) == whole, "any segmentation gives the same frames");
}

// A verdict stands, but for what the header of judge_opening() allows.
void check_opening(std::string_view bytes) {
  Opening before = Opening::undecided;
  for (std::size_t size = 0; size <= std::min<std::size_t>(bytes.size(), 96); ++size) {
    const Opening now = judge_opening(bytes.substr(0, size));
    const bool may_change =
        before == Opening::undecided || (before == Opening::plain && now == Opening::http);
    require(now == before || may_change, "a verdict stands");
    before = now;
  }
  judge_opening(bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t step = data[0] == 0 ? std::max<std::size_t>(stream.size(), 1) : data[0];
  check_side<FromClient>(stream, step);
  check_side<FromServer>(stream, step);
  check_side<Reply>(stream, step);
  check_opening(stream);
  return 0;
}
