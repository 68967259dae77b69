#include "server/log.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <ctime>
#include <iterator>

namespace runwire::log {
namespace {

constexpr std::string_view kLevelNames[] = {"error", "warn", "info", "debug"};
// PIPE_BUF on Linux; POSIX promises that a pipe which polls as writable takes this much without waiting.
constexpr std::size_t kMaxLineBytes = 4096;

Level g_level = Level::info;
std::int64_t g_dropped = 0;

std::string timestamp() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  std::tm utc{};
  gmtime_r(&now.tv_sec, &utc);
  char seconds[32];
  std::strftime(seconds, sizeof seconds, "%Y-%m-%dT%H:%M:%S", &utc);
  char whole[48];
  std::snprintf(whole, sizeof whole, "%s.%03ldZ", seconds, now.tv_nsec / 1000000);
  return whole;
}

// Asks before it writes instead of making stderr non-blocking: the description may be shared with the
// terminal or the program that started the daemon.
bool write_without_waiting(std::string_view line) {
  pollfd ready{STDERR_FILENO, POLLOUT, 0};
  if (poll(&ready, 1, 0) != 1 || (ready.revents & POLLOUT) == 0) return false;
  return ::write(STDERR_FILENO, line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

bool is_bare(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("._:/@+,-[]%").find(c) != std::string_view::npos;
}

void append_escaped(std::string& out, unsigned char c) {
  if (c == '\n') {
    out += "\\n";
  } else if (c == '"' || c == '\\') {
    out += '\\';
    out += static_cast<char>(c);
  } else if (c >= 0x20 && c < 0x7f) {
    out += static_cast<char>(c);
  } else {
    char hex[8];
    std::snprintf(hex, sizeof hex, "\\x%02x", c);
    out += hex;
  }
}

}  // namespace

std::optional<Level> level_named(std::string_view name) {
  const auto* found = std::find(std::begin(kLevelNames), std::end(kLevelNames), name);
  if (found == std::end(kLevelNames)) return std::nullopt;
  return static_cast<Level>(found - std::begin(kLevelNames));
}

void set_level(Level level) { g_level = level; }
bool enabled(Level level) { return level <= g_level; }

std::string escape(std::string_view value) {
  const bool capped = value.size() > kMaxValueBytes;
  if (!value.empty() && !capped && std::all_of(value.begin(), value.end(), is_bare))
    return std::string(value);
  std::string out = "\"";
  for (char c : value.substr(0, kMaxValueBytes)) append_escaped(out, static_cast<unsigned char>(c));
  if (capped) out += "...";
  return out += '"';
}

void Line::begin(Level level, std::string_view event) {
  text_ = "time=" + timestamp() + " level=" + std::string(kLevelNames[static_cast<std::size_t>(level)]);
  append("event", event);
  event_end_ = text_.size();
}

void Line::append(std::string_view key, std::string_view value) {
  text_.append(" ").append(key).append("=").append(escape(value));
}

void Line::append(std::string_view key, std::int64_t value) {
  text_.append(" ").append(key).append("=").append(std::to_string(value));
}

void Line::write() {
  if (g_dropped > 0) text_.insert(event_end_, " dropped=" + std::to_string(g_dropped));
  if (text_.size() > kMaxLineBytes - 1) text_.resize(kMaxLineBytes - 1);
  text_ += '\n';
  g_dropped = write_without_waiting(text_) ? 0 : g_dropped + 1;
}

}  // namespace runwire::log
