// The words that both sides of a session use, or that stand in messages of both. PROTOCOL.md, "Sessions", says what
// each means.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

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

// What happens to a command that writes more than may be held for its readers: it waits; the rest goes to disk, and
// when that is full it waits; the oldest bytes are given up, and who has missed some is told by a Gap.
enum class Full { block, spill, drop };
std::string_view name_of(Full full);  // "block", ...
std::optional<Full> full_named(std::string_view name);

enum class ReplyForm { stream, whole };

// The bytes of this stream are of no use here any more.
struct Stop {
  std::string id;
  StdStream stream = StdStream::out;
};

// So many bytes more of this stream may come.
struct Credit {
  std::string id;
  StdStream stream = StdStream::out;
  std::uint64_t bytes = 0;
};

struct Ping {};
struct Pong {};

// An unknown type that says it may be passed over.
struct Optional {
  std::uint64_t len = 0;
};

std::string to_json(const Stop& message);
std::string to_json(const Credit& message);
std::string to_json(const Ping& message);
std::string to_json(const Pong& message);

}  // namespace runwire
