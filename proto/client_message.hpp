// What a client says in a session, as typed values, to and from the JSON headers of its frames. PROTOCOL.md,
// "Sessions", says what each means.
//
// A message with bytes behind it has `len`, their number; others have none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "proto/limits.hpp"
#include "proto/result.hpp"
#include "proto/session_words.hpp"

namespace runwire {

struct ClientHello {
  std::optional<std::uint64_t> window;  // of output, for each stream of each command; none: as TCP takes it
};

// The terminal that a command is to have (pty(7)). Its output is all on stdout.
struct PtySize {
  std::uint16_t rows = 24;
  std::uint16_t cols = 80;
};
struct PtyWish {
  PtySize size;
  std::string term;  // of TERM; empty: "dumb"
};

// What a command may use (getrlimit(2), nice(2), umask(2)); absent: as the daemon has it.
struct CommandLimits {
  std::optional<std::uint64_t> cpu_s;
  std::optional<std::uint64_t> as_bytes;
  std::optional<std::uint64_t> nofile;
  std::optional<std::uint64_t> nproc;
  std::optional<std::uint64_t> fsize_bytes;
  std::optional<std::uint64_t> core_bytes;
  std::optional<std::int64_t> nice;    // -20 to 19
  std::optional<std::uint32_t> umask;  // 0 to 0777
  bool operator==(const CommandLimits&) const = default;
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
  // The command outlives its connection, and its outcome stays so long after its end. Its id is then one of the daemon,
  // not of the session.
  std::optional<std::uint64_t> keep_ms;
  Full full = Full::block;
  CommandLimits limits;
  std::optional<PtyWish> pty;
  std::uint64_t len = 0;
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

struct Resize {
  std::string id;
  PtySize size;
};

// Follow a kept command. `stdout` and `stderr`: how many bytes of each are held already; absent: what comes from now
// on.
struct Attach {
  std::string id;
  std::optional<std::uint64_t> stdout_off;
  std::optional<std::uint64_t> stderr_off;
  bool wants_output = true;  // else only its end is told
};

struct Detach {
  std::string id;
};

// Ends a command and all that it has started: TERM, a grace, KILL.
struct Cancel {
  std::string id;
};

// What is kept of a command that is over is of no use any more.
struct Forget {
  std::string id;
};

struct List {};

// A verb that has its place in the protocol and is not spoken here: stats.
struct Reserved {
  std::string type;
  std::string id;
  std::uint64_t len = 0;
};

using ClientMessage = std::variant<ClientHello, Start, StdinBytes, Signal, Resize, Stop, Credit, Attach,
                                   Detach, Cancel, Forget, List, Ping, Pong, Reserved, Optional>;

std::string to_json(const ClientHello& message);
std::string to_json(const Start& message);
std::string to_json(const StdinBytes& message);
std::string to_json(const Signal& message);
std::string to_json(const Resize& message);
std::string to_json(const Attach& message);
std::string to_json(const Detach& message);
std::string to_json(const Cancel& message);
std::string to_json(const Forget& message);
std::string to_json(const List& message);

// ERRORS: Errc::protocol, naming the field or the type; the session is at its end.
Result<ClientMessage> parse_client_message(std::string_view json);

std::uint64_t payload_bytes(const ClientMessage& message);  // what follows the header

}  // namespace runwire
