// The headers of frames as typed values, to and from JSON. message.cpp is the only file that knows the JSON
// library; PROTOCOL.md says what each field means.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proto/exit_status.hpp"
#include "proto/result.hpp"

namespace runwire {

// Why a command is over. Its order is not part of the protocol, its names are.
enum class Reason { exited, signal, timeout, idle_timeout, output_limit, cancelled, client_gone, shutdown };
std::string_view name_of(Reason reason);
std::optional<Reason> reason_named(std::string_view name);

// What a command cost. Absent where the server cannot know it.
struct Usage {
  std::optional<double> wall_ms;  // from the start of the child to its end
  std::optional<double> user_ms;  // rusage of the child and of all it waited for
  std::optional<double> sys_ms;
  std::optional<std::int64_t> max_rss_kb;
};

// The names of `error` in a frame.
namespace error_name {
inline constexpr std::string_view kBusy = "busy";          // try again, after retry_ms
inline constexpr std::string_view kDenied = "denied";      // this peer may not run commands
inline constexpr std::string_view kProtocol = "protocol";  // the request's bytes make no request
inline constexpr std::string_view kSpawn = "spawn";  // the child could not be started; see stage and errno
inline constexpr std::string_view kLimit = "limit";  // the request is larger than a limit
inline constexpr std::string_view kShutdown = "shutdown";  // the daemon is going away and starts nothing more
inline constexpr std::string_view kSpool = "spool";  // the output could be kept neither in memory nor on disk
}  // namespace error_name

// A failure of the server itself; no command's status comes with it.
struct ErrorReply {
  std::string error;       // one of error_name
  std::string message;     // cause and next step
  std::string stage;       // with `spawn` and `busy`: "cwd", "pipe", "fork", "exec", ...; else empty
  std::string errno_name;  // "ENOENT"; empty where no system call failed
  std::optional<std::int64_t> retry_ms;
};

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

// Strict: an object without duplicate keys at any level, UTF-8, nested at most kMaxHeaderDepth deep, nothing
// after it; `len` an integer 0..2^53; stdout + stderr, where present, equal to `len`; `error` without output and
// without a status. Unknown keys are ignored.
// ERRORS: Errc::protocol, naming the field.
Result<ReplyHeader> parse_reply_header(std::string_view json);

}  // namespace runwire
