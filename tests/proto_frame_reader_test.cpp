#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "proto/frame_reader.hpp"

using namespace runwire;

namespace {

std::string with_length(std::uint32_t length) {
  const LengthField field = encode_length(length);
  return {field.begin(), field.end()};
}

// A header is "{N  }" here, N the payload's size: the reader takes any bytes for one.
std::string frame(const std::string& payload, std::size_t header_bytes = 8) {
  std::string header = "{" + std::to_string(payload.size());
  header.resize(header_bytes - 1, ' ');
  return frame_head(header + "}") + payload;
}

// Everything that a reader says, told by a copy: a view that has gone bad is found by the sanitizer.
struct Script {
  FrameReader reader;
  std::string said;

  // Feeds `bytes` from memory that ends right behind them and is gone afterwards.
  void feed(std::string_view bytes) {
    const std::vector<char> memory(bytes.begin(), bytes.end());
    reader.feed({memory.data(), memory.size()});
    while (step()) {
    }
  }

  bool step() {
    const Piece piece = reader.next();
    const std::string bytes(piece.bytes);
    switch (piece.kind) {
      case Piece::need_more:
        return false;
      case Piece::header:
        reader.expect_payload(std::stoull(bytes.substr(1)));
        said += "[" + bytes + ":";
        return true;
      case Piece::payload:
        CHECK_FALSE(bytes.empty());
        said += bytes;
        return true;
      case Piece::end:
        said += "]";
        return true;
      case Piece::broken:
        said += "!";
        return false;
    }
    return false;
  }
};

std::string hear(std::initializer_list<std::string_view> chunks) {
  Script script;
  for (const auto chunk : chunks) script.feed(chunk);
  return script.said;
}

const std::string kStream = frame("hello\n") + frame("") + frame(std::string("\0\n\xff", 3), 21) + frame("x");

}  // namespace

TEST_CASE("frame reader: frames that arrive glued together come out one by one") {
  const char kSaid[] = "[{6     }:hello\n][{0     }:][{3                  }:\0\n\xff][{1     }:x]";
  CHECK(hear({kStream}) == std::string(kSaid, sizeof kSaid - 1));
}

TEST_CASE("frame reader: a stream cut in two at any byte says the same as the whole") {
  const std::string whole = hear({kStream});
  const std::string_view stream = kStream;
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    INFO("cut at ", cut);
    CHECK(hear({stream.substr(0, cut), stream.substr(cut)}) == whole);
  }
}

TEST_CASE("frame reader: a stream cut in three at any two bytes says the same as the whole") {
  const std::string whole = hear({kStream});
  const std::string_view stream = kStream;
  for (std::size_t a = 0; a <= stream.size(); ++a)
    for (std::size_t b = a; b <= stream.size(); ++b)
      REQUIRE(hear({stream.substr(0, a), stream.substr(a, b - a), stream.substr(b)}) == whole);
}

TEST_CASE("frame reader: byte by byte says the same as the whole") {
  Script script;
  for (const char& byte : kStream) script.feed({&byte, 1});
  CHECK(script.said == hear({kStream}));
}

TEST_CASE("frame reader: every prefix of a frame needs more, and only the whole of it is at a boundary") {
  const std::string whole = frame("hello\n");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    INFO(size, " bytes");
    Script script;
    script.feed(std::string_view(whole).substr(0, size));
    CHECK(script.reader.next().kind == Piece::need_more);
    CHECK(script.said.find(']') == script.said.npos);
    CHECK(script.reader.at_boundary() == (size == 0));
  }
  Script script;
  script.feed(whole);
  CHECK(script.reader.at_boundary());
}

TEST_CASE(
    "frame reader: it is at a boundary as soon as it has said end, also where the header came in pieces") {
  const std::string whole = frame("");
  FrameReader reader;
  for (const char& byte : whole) {
    CHECK(reader.next().kind == Piece::need_more);
    reader.feed({&byte, 1});
  }
  CHECK(reader.next().kind == Piece::header);
  CHECK_FALSE(reader.at_boundary());
  CHECK(reader.next().kind == Piece::end);
  CHECK(reader.at_boundary());
}

TEST_CASE("frame reader: a frame without payload is complete with its header") {
  Script script;
  script.feed(frame(""));
  CHECK(script.said == "[{0     }:]");
  CHECK(script.reader.at_boundary());
}

TEST_CASE("frame reader: a payload that nobody expected is empty") {
  FrameReader reader;
  const std::string two = frame_head("{}") + frame_head("{ }");
  reader.feed(two);
  CHECK(reader.next().bytes == "{}");
  CHECK(reader.next().kind == Piece::end);
  CHECK(reader.next().bytes == "{ }");
}

TEST_CASE("frame reader: no header is handed out before all of it has come") {
  const std::string whole = frame("", 300);
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK(hear({std::string_view(whole).substr(0, size)}).empty());
  CHECK(hear({whole}).starts_with("[{0"));
}

TEST_CASE("frame reader: a payload is handed on as it comes") {
  const std::string whole = frame(std::string(1000, 'p'));
  Script script;
  script.feed(std::string_view(whole).substr(0, 13));
  CHECK(script.said.ends_with(":p"));
  script.feed(std::string_view(whole).substr(13, 10));
  CHECK(script.said.ends_with(":ppppppppppp"));
}

TEST_CASE("frame reader: lengths outside the limits break the stream, and the limits are named") {
  for (const std::uint32_t length : {0u, 1u, 65536u, 0x00ffffffu, 0x7fffffffu, 0x80000000u, 0xffffffffu}) {
    INFO(length);
    Script script;
    script.feed(with_length(length) + std::string(100, '{'));
    CHECK(script.said == "!");
    CHECK(script.reader.error() == "header length " + std::to_string(length) + " is outside 2..65535");
    CHECK_FALSE(script.reader.at_boundary());
  }
}

TEST_CASE("frame reader: lengths at the limits are legal") {
  for (const std::uint32_t length : {2u, 65535u}) {
    FrameReader reader;
    const std::string stream = with_length(length) + std::string(length, '{');
    reader.feed(stream);
    CHECK(reader.next().bytes.size() == length);
    CHECK(reader.error().empty());
  }
}

TEST_CASE("frame reader: a length is found illegal as soon as its fourth byte has come") {
  CHECK(hear({"\xff\xff\xff", "\xff"}) == "!");
  CHECK(hear({"\xff\xff\xff"}).empty());
}

TEST_CASE("frame reader: a stream that is broken stays broken") {
  FrameReader reader;
  const std::string stream = with_length(0) + frame("");
  reader.feed(stream);
  for (int i = 0; i < 5; ++i) CHECK(reader.next().kind == Piece::broken);
}

TEST_CASE(
    "frame reader: a header comes from the caller's memory where it is whole there, and is copied where "
    "not") {
  const std::string whole = frame("", 64);
  FrameReader reader;
  reader.feed(whole);
  CHECK(reader.next().bytes.data() == whole.data() + kLengthBytes);

  FrameReader other;
  other.feed(std::string_view(whole).substr(0, 20));
  CHECK(other.next().kind == Piece::need_more);
  other.feed(std::string_view(whole).substr(20));
  const Piece header = other.next();
  CHECK(header.bytes == std::string_view(whole).substr(kLengthBytes));
  CHECK((header.bytes.data() < whole.data() || header.bytes.data() >= whole.data() + whole.size()));
}

TEST_CASE("frame reader: a payload is never copied, however large it claims to be") {
  FrameReader reader;
  const std::string head = frame_head("{}");
  reader.feed(head);
  CHECK(reader.next().kind == Piece::header);
  reader.expect_payload(kMaxPayloadBytes);
  CHECK(reader.next().kind == Piece::need_more);
  const std::string chunk(1 << 16, 'x');
  for (int i = 0; i < 1000; ++i) {
    reader.feed(chunk);
    const Piece piece = reader.next();
    REQUIRE(piece.bytes.data() == chunk.data());
    REQUIRE(piece.bytes.size() == chunk.size());
    REQUIRE(reader.next().kind == Piece::need_more);
  }
}

TEST_CASE("frame: a length is four bytes, least significant first") {
  CHECK(with_length(0x0a0b0c0d) == "\x0d\x0c\x0b\x0a");
  for (const std::uint32_t length :
       {0u, 1u, 127u, 128u, 255u, 256u, 65535u, 65536u, 0x80000000u, 0xffffffffu})
    CHECK(decode_length(encode_length(length).data()) == length);
}

TEST_CASE("frame: a head is the length of the header, and the header") {
  CHECK(frame_head("{}") == std::string("\2\0\0\0{}", 6));
  CHECK(frame_head(std::string(65535, ' ')).substr(0, 4) == std::string("\xff\xff\0\0", 4));
}
