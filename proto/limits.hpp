// The numbers of the protocol, in one place; PROTOCOL.md states the same ones and a test compares them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace runwire {

inline constexpr std::size_t kLengthBytes = 4;       // int32, little-endian, read as unsigned
inline constexpr std::uint32_t kMinHeaderBytes = 2;  // "{}"
inline constexpr std::uint32_t kMaxHeaderBytes = 65535;
inline constexpr std::size_t kMaxHeaderDepth = 8;  // nesting of the JSON header
inline constexpr std::uint64_t kMaxPayloadBytes = std::uint64_t{1}
                                                  << 53;  // what every JSON reader holds exactly

inline constexpr std::uint64_t kMaxSessionPayloadBytes = std::uint64_t{1} << 20;  // of a frame to a server
inline constexpr std::size_t kMaxIdBytes = 64;
inline constexpr std::uint64_t kStdinWindowBytes = std::uint64_t{256} << 10;
inline constexpr unsigned kHelloMs = 10000;  // from the first byte of a session to its whole hello

inline constexpr std::size_t kMaxCommandBytes = std::size_t{1} << 20;
inline constexpr std::size_t kUncutBytes = 512;    // a burst below this cannot have been cut by TCP
inline constexpr std::size_t kJudgedBytes = 8192;  // of a request, to tell a command from HTTP and the like
inline constexpr unsigned kBurstQuietMs = 10;      // silence that ends a longer burst

inline constexpr unsigned kLingerQuietMs = 200;  // grace: quiet after the exit that ends the wait ...
inline constexpr unsigned kLingerCapMs = 1000;   // ... and how long a grandchild may keep it up

inline constexpr std::uint16_t kDefaultPort = 8098;

}  // namespace runwire
