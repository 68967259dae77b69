// What the two sides of a session say to one another, as typed values, to and from the JSON headers of their frames.
// PROTOCOL.md, "Sessions", says what each means.
//
// A message with bytes behind it has `len`, their number; others have none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proto/limits.hpp"
#include "proto/outcome.hpp"
#include "proto/result.hpp"

namespace runwire {

// The first bytes of a connection that is a session: NUL, "RW", and the version.
inline constexpr std::string_view kPreface{"\0RW\1", 4};
inline constexpr std::int64_t kSessionVersion = 1;

enum class StdStream { in, out, err };
std::string_view name_of(StdStream stream);  // "stdin", ...

// How long a finished command's output is waited for where something else still holds it open.
enum class Linger { grace, wait, now };
std::string_view name_of(Linger linger);  // "grace", "wait", "return"
std::optional<Linger> linger_named(std::string_view name);

enum class ReplyForm { stream, whole };

// --- from the client ---

struct ClientHello {
  std::optional<std::uint64_t> window;  // of output, for each stream of each command; none: as TCP takes it
};

struct Start {
  std::string id;          // the client's name for the command; empty: the server makes one
  bool shell = false;      // the payload is a line for the shell ...
  std::uint64_t argc = 0;  // ... or this many words, run as they are
  std::uint64_t envc = 0;  // behind them so many NAME=VALUE words
  bool clear_env = false;  // the environment is those alone
  std::string cwd;         // empty: the daemon's
  bool takes_stdin = false;
  ReplyForm reply = ReplyForm::stream;
  Linger linger = Linger::grace;
  std::optional<std::uint64_t> timeout_ms;  // from its start
  std::optional<std::uint64_t> idle_ms;     // without output
  std::uint64_t len = 0;
  std::string unsupported;  // read only: a key that asks for what this server cannot do; empty: none
};

struct StdinBytes {
  std::string id;
  std::uint64_t off = 0;  // place of the first byte in the command's stdin
  bool eof = false;       // nothing comes behind it
  std::uint64_t len = 0;
};

struct Signal {
  std::string id;
  int signal = 0;  // this machine's number
};

// Either side: the bytes of this stream are of no use here any more.
struct Stop {
  std::string id;
  StdStream stream = StdStream::out;
};

// Either side: so many bytes more of this stream may come.
struct Credit {
  std::string id;
  StdStream stream = StdStream::out;
  std::uint64_t bytes = 0;
};

struct Ping {};
struct Pong {};

// A verb that has its place in the protocol and is not spoken here: attach, detach, forget, list, resize, stats.
struct Reserved {
  std::string type;
  std::string id;
  std::uint64_t len = 0;
};

// An unknown type that says it may be passed over.
struct Optional {
  std::uint64_t len = 0;
};

using ClientMessage =
    std::variant<ClientHello, Start, StdinBytes, Signal, Stop, Credit, Ping, Pong, Reserved, Optional>;

// --- from the server ---

struct SessionLimits {
  std::uint64_t header = kMaxHeaderBytes;
  std::uint64_t payload = kMaxSessionPayloadBytes;  // of one frame, towards the server
  std::uint64_t depth = kMaxHeaderDepth;
  std::uint64_t stdin_window = kStdinWindowBytes;  // so much may be sent ahead of `credit`, for each command
};

struct ServerHello {
  std::string boot;    // 128 random bits of this daemon's life, in hex
  std::string server;  // "runwired 0.1.0"; for people
  SessionLimits limits;
  std::uint64_t ping_ms = 0;  // who has heard nothing for so long asks; 0: never
};

struct Started {
  std::string id;
  std::int64_t pid = 0;
  bool existing = false;
};

struct Output {
  std::string id;
  StdStream stream = StdStream::out;
  std::uint64_t off = 0;
  std::uint64_t len = 0;
};

// The last frame of a command that ran.
struct Exit {
  std::string id;
  ExitStatus status = ExitStatus::exited(255);
  std::optional<bool> core;        // it left one; absent where the daemon cannot know
  std::optional<Reason> reason;    // absent: one that is not known here
  std::uint64_t stdout_bytes = 0;  // in all
  std::uint64_t stderr_bytes = 0;
  bool truncated = false;
  bool cut = false;
  std::optional<std::int64_t> survivors;  // processes that outlived its end; absent where nobody looked
  Usage usage;
  std::uint64_t len = 0;  // reply whole: stdout_bytes + stderr_bytes; else 0
};

// With an id: the last frame of a command that never ran, or the answer to a message about it. Without one: the last
// frame of the session.
struct SessionError {
  std::string id;
  ErrorReply error;
};

using ServerMessage =
    std::variant<ServerHello, Started, Output, Exit, SessionError, Stop, Credit, Ping, Pong, Optional>;

std::string to_json(const ClientHello& message);
std::string to_json(const Start& message);  // `unsupported` is not written
std::string to_json(const StdinBytes& message);
std::string to_json(const Signal& message);
std::string to_json(const Stop& message);
std::string to_json(const Credit& message);
std::string to_json(const Ping& message);
std::string to_json(const Pong& message);
std::string to_json(const ServerHello& message);
std::string to_json(const Started& message);
std::string to_json(const Output& message);
std::string to_json(const Exit& message);
std::string to_json(const SessionError& message);

// ERRORS: Errc::protocol, naming the field or the type; the session is at its end.
Result<ClientMessage> parse_client_message(std::string_view json);
Result<ServerMessage> parse_server_message(std::string_view json);

// What follows the header.
std::uint64_t payload_bytes(const ClientMessage& message);
std::uint64_t payload_bytes(const ServerMessage& message);

// What a start's payload says.
struct StartWords {
  std::string line;               // with `shell`
  std::vector<std::string> argv;  // without
  std::vector<std::string> environment;
};

// ERRORS: Errc::protocol: a NUL where none may be, a number of words that is not the announced one, an empty program
// name, an environment word without a name.
Result<StartWords> split_start_payload(const Start& start, std::string_view payload);
std::string join_start_payload(const StartWords& words, bool shell);

}  // namespace runwire
