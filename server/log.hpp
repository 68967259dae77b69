// The daemon's log: one line an event on stderr, `key=value`, times in UTC.
//
//   time=2026-11-22T15:19:52.123Z level=info event=refused conn=7 reason=http
//
// It never blocks the loop: a line that stderr cannot take at once is dropped and counted, and the next line that
// passes says so (`dropped=N`, right behind the event, where no length of the line can cut it off). Values are escaped
// and capped, so that no client can forge a line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace runwire::log {

enum class Level { error, warn, info, debug };
std::optional<Level> level_named(std::string_view name);

void set_level(Level level);
bool enabled(Level level);

// One line; written when the object dies, that is at the end of the statement. One that is not wanted costs no call but
// that of enabled(): every command has a few.
class Line {
 public:
  Line(Level level, std::string_view event) : enabled_(log::enabled(level)) {
    if (enabled_) begin(level, event);
  }
  ~Line() {
    if (enabled_) write();
  }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  Line& add(std::string_view key, std::string_view value) {
    if (enabled_) append(key, value);
    return *this;
  }
  Line& add(std::string_view key, std::int64_t value) {
    if (enabled_) append(key, value);
    return *this;
  }

 private:
  void begin(Level level, std::string_view event);
  void append(std::string_view key, std::string_view value);
  void append(std::string_view key, std::int64_t value);
  void write();

  const bool enabled_;
  std::size_t event_end_ = 0;  // in text_
  std::string text_;
};

inline Line error(std::string_view event) { return Line(Level::error, event); }
inline Line warn(std::string_view event) { return Line(Level::warn, event); }
inline Line info(std::string_view event) { return Line(Level::info, event); }
inline Line debug(std::string_view event) { return Line(Level::debug, event); }

// `value` as it stands in a line: bare where it is plain, else in quotes with \n, \", \\ and \xNN, and cut
// after kMaxValueBytes.
inline constexpr std::size_t kMaxValueBytes = 512;
std::string escape(std::string_view value);

}  // namespace runwire::log
