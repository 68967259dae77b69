// The bare cost of bulk output: from a command's pipe to a TCP connection on loopback, with nothing between.
#pragma once

#include <cstdint>

#include "proto/result.hpp"

namespace runwire {

enum class CopyHow { read_write, splice };  // splice(2) is Linux's

struct BareCopyResult {
  double mb_per_s = 0;  // 1e6 bytes; until the reader has the last byte
};

// `head -c BYTES /dev/zero` writes the pipe, a thread reads and discards the other end of the connection.
// ERRORS: Errc::io; Errc::invalid_argument for splice where there is none.
Result<BareCopyResult> measure_bare_copy(CopyHow how, std::uint64_t bytes);

}  // namespace runwire
