// The frame, the one unit of the wire:
//
//   | header length: 4 bytes, little-endian | header: UTF-8 JSON object | payload: `len` bytes |
//
// Source: the teaching protocol this project grew from, struct.pack('i', n) + JSON + bytes.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/limits.hpp"

namespace runwire {

using LengthField = std::array<char, kLengthBytes>;

LengthField encode_length(std::uint32_t header_bytes);
std::uint32_t decode_length(const char* four_bytes);
constexpr bool is_legal_length(std::uint32_t n) { return n >= kMinHeaderBytes && n <= kMaxHeaderBytes; }

// The length field and the header; the payload follows on its own, so that it need not be copied.
// REQUIRES: is_legal_length(header.size()).
std::string frame_head(std::string_view header);

}  // namespace runwire
