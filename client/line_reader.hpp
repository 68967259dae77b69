// Commands, a line each, from standard input.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "client/signals.hpp"
#include "proto/result.hpp"

namespace runwire {

inline constexpr std::string_view kPrompt = ">>>: ";  // that of the original client

struct Line {
  enum Kind {
    command,
    interrupted,  // Ctrl-C: what was typed is forgotten
    end,          // Ctrl-D, or the end of the file
  } kind;
  std::string text;  // of a command, without its newline
};

// Reads lines as they are, any bytes. Where `fd` is a terminal it shows the prompt on stderr, and the terminal
// itself lets one correct the line. A last line without a newline counts.
class LineReader {
 public:
  // `fd` belongs to the caller. `interrupt` tells of Ctrl-C and outlives the reader; null: Ctrl-C is not our
  // matter.
  LineReader(int fd, Signals* interrupt);

  // ERRORS: io (reading failed), invalid_argument (a line over kMaxCommandBytes).
  Result<Line> next();

 private:
  std::optional<Line> take_line();
  Status read_more();
  Line forget();

  int fd_;
  Signals* interrupt_;  // not owned
  bool shows_prompt_;
  bool at_end_ = false;
  std::string ahead_;         // read and not yet handed out
  std::size_t searched_ = 0;  // bytes of it that hold no newline
};

}  // namespace runwire
