// The header of a plain reply as a typed value, to and from JSON; PROTOCOL.md says what each field means.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proto/outcome.hpp"
#include "proto/result.hpp"

namespace runwire {

// The header of a plain reply. A server of the original protocol sends `filename` and `len` only; whatever it
// does not send is absent here, and absent is never taken for success.
struct ReplyHeader {
  std::string filename = "cls.txt";  // original clients print it; it names no file
  std::uint64_t len = 0;             // payload bytes: stdout_bytes + stderr_bytes
  std::optional<std::uint64_t> stdout_bytes;
  std::optional<std::uint64_t> stderr_bytes;
  std::optional<ExitStatus> status;
  std::optional<Reason> reason;
  bool truncated = false;  // the output cap ended the command
  bool cut = false;        // something still held a pipe: more output may have followed
  Usage usage;
  std::optional<ErrorReply> error;  // then len is 0 and there is no status
  bool original = false;  // read only: none of the above but filename and len stood there, not even as null
};

// REQUIRES: either `error`, or all of the optional fields but those of `usage`.
std::string to_json(const ReplyHeader& header);
std::string to_json(const ErrorReply& error);  // the header of an error frame
// The same for a peer that has not yet said which protocol it speaks: it is an error in a session, too.
std::string to_json_unasked(const ErrorReply& error);

// Strict: an object without duplicate keys at any level, UTF-8, nested at most kMaxHeaderDepth deep, nothing
// after it; `len` an integer 0..2^53; stdout + stderr, where present, equal to `len`; `error` without output and
// without a status. Unknown keys are ignored.
// ERRORS: Errc::protocol, naming the field.
Result<ReplyHeader> parse_reply_header(std::string_view json);

}  // namespace runwire
