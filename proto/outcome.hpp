// How a command ended, what it cost, or why it never ran, in any frame that tells it; and how that stands in JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proto/exit_status.hpp"
#include "proto/json_object.hpp"
#include "proto/json_writer.hpp"
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
inline constexpr std::string_view kBusy = "busy";            // try again, after retry_ms
inline constexpr std::string_view kCancelled = "cancelled";  // while the command waited for its turn
inline constexpr std::string_view kConflict = "conflict";    // the id is a command's already
inline constexpr std::string_view kDenied = "denied";        // this peer may not run commands
inline constexpr std::string_view kExpired =
    "expired";                                       // the id was a command's; nothing of it is kept any more
inline constexpr std::string_view kLimit = "limit";  // the request is larger than a limit
inline constexpr std::string_view kProtocol = "protocol";  // the peer's bytes make no request
inline constexpr std::string_view kShutdown = "shutdown";  // the daemon is going away and starts nothing more
inline constexpr std::string_view kSpawn = "spawn";  // the child could not be started; see stage and errno
inline constexpr std::string_view kSpool = "spool";  // the output could be kept neither in memory nor on disk
inline constexpr std::string_view kUnknown = "unknown";          // no command has that id
inline constexpr std::string_view kUnsupported = "unsupported";  // this server cannot do what was asked
inline constexpr std::string_view kUpgrade = "upgrade";  // the daemon goes on as another program: come back
}  // namespace error_name

// A failure of the server itself; no command's status comes with it.
struct ErrorReply {
  std::string error;       // one of error_name
  std::string message;     // cause and next step
  std::string stage;       // with `spawn` and `busy`: "cwd", "pipe", "fork", "exec", ...; else empty
  std::string errno_name;  // "ENOENT"; empty where no system call failed
  std::optional<std::int64_t> retry_ms;
};

// One of error_name and what to tell a person; of `busy` it says when it is worth trying again.
ErrorReply error_reply(std::string_view name, std::string message);

// `code` and `signal`, exactly one of them not null. Absent where neither is there.
void write_status(JsonWriter& json, const ExitStatus& status);
std::optional<ExitStatus> read_status(JsonFields& fields);

// The object `usage`. A flaw inside it becomes a failure of `fields`.
void write_usage(JsonWriter& json, const Usage& usage);
Usage read_usage(JsonFields& fields);

// `error` and what belongs to it. Absent where there is no `error`.
void write_error(JsonWriter& json, const ErrorReply& error);
std::optional<ErrorReply> read_error(JsonFields& fields);

}  // namespace runwire
