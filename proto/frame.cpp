#include "proto/frame.hpp"

#include <cassert>

namespace runwire {

LengthField encode_length(std::uint32_t n) {
  return {static_cast<char>(n & 0xff), static_cast<char>(n >> 8 & 0xff), static_cast<char>(n >> 16 & 0xff),
          static_cast<char>(n >> 24 & 0xff)};
}

std::uint32_t decode_length(const char* p) {
  auto byte = [p](int i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(p[i])); };
  return byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24;
}

std::string frame_head(std::string_view header) {
  assert(is_legal_length(static_cast<std::uint32_t>(header.size())));
  const LengthField length = encode_length(static_cast<std::uint32_t>(header.size()));
  std::string head;
  head.reserve(length.size() + header.size());
  head.append(length.data(), length.size());
  head.append(header);
  return head;
}

}  // namespace runwire
