// Compares a reply with the one that is expected, piece by piece as it arrives, byte for byte.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bench/failure.hpp"
#include "proto/exit_status.hpp"
#include "proto/outcome.hpp"
#include "proto/result.hpp"

namespace runwire {

struct Expectation {
  std::string payload;               // all of stdout, then all of stderr
  std::optional<ExitStatus> status;  // absent: the header must not tell one either (the original protocol)
  std::uint64_t stdout_bytes =
      UINT64_MAX;           // so much of the payload is stdout's, where there is more: stderr's
  std::uint64_t zeros = 0;  // if not 0: so many zero bytes on stdout, and no payload

  std::uint64_t size() const { return zeros != 0 ? zeros : payload.size(); }
};

class ReplyCheck {
 public:
  // `expected` outlives the check.
  explicit ReplyCheck(const Expectation& expected) : expected_(expected) {}

  // A new reply begins with this header. The result is the length of its payload.
  // ERRORS: Errc::protocol: what follows cannot be found.
  Result<std::uint64_t> begin(std::string_view header_json);

  void payload(std::string_view piece);

  // After the last piece: what was wrong first, and in what words. Nothing: the reply is right.
  std::optional<Failure> failure() const { return failure_; }
  const std::string& why() const { return why_; }

 private:
  void fail(Failure failure, std::string why);
  const Expectation& expected_;
  std::uint64_t offset_ = 0;  // of the next payload byte
  std::optional<Failure> failure_;
  std::string why_;
};

// "exit code 0", "killed by KILL", "no exit status": for messages.
std::string describe(const std::optional<ExitStatus>& status);

// "0x6f": for messages.
std::string hex(char byte);

// Which failure an error frame is.
Failure failure_of(const ErrorReply& error);

}  // namespace runwire
