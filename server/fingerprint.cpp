#include "server/fingerprint.hpp"

#include <string>

namespace runwire {

// FNV-1a (draft-eastlake-fnv) with one step more, by which high bits count for low ones.
std::uint64_t digest(std::string_view bytes, std::uint64_t seed) {
  std::uint64_t sum = 0xcbf29ce484222325 ^ seed;
  for (const char byte : bytes) {
    sum = (sum ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
    sum ^= sum >> 32;
  }
  return sum;
}

Fingerprint fingerprint_of(const Start& start, std::string_view payload) {
  Start nameless = start;
  nameless.id.clear();
  std::string whole = to_json(nameless);
  whole += payload;
  return {digest(whole, 0), digest(whole, 0x9e3779b97f4a7c15), whole.size()};
}

}  // namespace runwire
