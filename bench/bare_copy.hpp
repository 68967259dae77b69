// The bare cost of bulk: from a command's pipe to a TCP connection on loopback, or from there into a command's pipe,
// with nothing between.
#pragma once

#include <cstdint>

#include "proto/result.hpp"

namespace runwire {

enum class CopyHow { read_write, splice };  // splice(2) is Linux's

struct BareCopyResult {
  double mb_per_s = 0;  // 1e6 bytes; until the reader has the last byte, or the command has ended
};

// `head -c BYTES /dev/zero` writes the pipe, a thread reads and discards the other end of the connection.
// ERRORS: Errc::io; Errc::invalid_argument for splice where there is none.
Result<BareCopyResult> measure_bare_copy(CopyHow how, std::uint64_t bytes);

// The other way, by read and write: a thread sends zeros, `wc -c` takes them from its pipe. ERRORS: Errc::io.
Result<BareCopyResult> measure_bare_feed(std::uint64_t bytes);

}  // namespace runwire
