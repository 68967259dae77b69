#include "client/random_id.hpp"

#include <sys/random.h>  // getentropy() of macOS
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace runwire {
namespace {

constexpr std::string_view kDigits = "abcdefghijklmnopqrstuvwxyz234567";  // RFC 4648, base 32, small
constexpr std::size_t kLength = 10;

}  // namespace

Result<std::string> random_id() {
  std::array<unsigned char, kLength> bytes = {};
  if (::getentropy(bytes.data(), bytes.size()) != 0)
    return Error{Errc::io, std::string("getentropy: ") + std::strerror(errno)};
  std::string id;
  for (const unsigned char byte : bytes) id += kDigits[byte % kDigits.size()];
  return id;
}

std::uint32_t random_seed() {
  std::uint32_t seed = 1;
  [[maybe_unused]] const int same_seed_for_all = ::getentropy(&seed, sizeof seed);
  return seed;
}

}  // namespace runwire
