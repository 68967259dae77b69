// Conversion between the character set of the server's programs and that of the terminal (`--encoding`).
#pragma once

#include <iconv.h>

#include <string>
#include <string_view>

#include "proto/result.hpp"

namespace runwire {

// Takes the character set from the user's environment (LC_ALL, LC_CTYPE, LANG). The locale "C" tells nothing, it
// says ASCII also where nobody chose it: there it is UTF-8, as Python has it (PEP 538). For the start of main().
void adopt_locale();

// The terminal's character set, as the locale tells it; UTF-8 where that is ASCII.
std::string terminal_charset();

// One direction of one stream of text that comes in pieces cut anywhere. A resource around iconv(3).
class Charset {
 public:
  // Also tells whether this system knows both sets. ERRORS: invalid_argument, naming the unknown one.
  static Result<Charset> open(const std::string& from, const std::string& to);

  Charset(Charset&& other) noexcept;
  Charset& operator=(Charset&&) = delete;
  ~Charset();

  // What `bytes`, and what was left of the piece before, are in the other set. A character whose end has not come
  // yet waits for it. What is invalid, or does not exist there, is shown as U+FFFD or '?'.
  std::string convert(std::string_view bytes);

  // The end of the text: an unfinished character becomes a replacement, and the state is as at the start.
  std::string finish();

  // A text as a whole and exactly. ERRORS: invalid_argument (a character is invalid or does not exist there:
  // a command must not be run with a '?' in the place of what was typed).
  Result<std::string> convert_exactly(std::string_view text);

 private:
  Charset(iconv_t descriptor, std::string replacement);
  struct Step {
    int error;     // 0: `in` is empty now; else iconv's errno, and `in` starts with what caused it
    bool inexact;  // something was replaced by something similar
  };
  // As far as iconv(3) gets; takes from `in`, appends to `out`.
  Step advance(std::string_view& in, std::string& out);

  iconv_t descriptor_;
  std::string replacement_;  // in the target set
  std::string unfinished_;   // the bytes of a character whose end has not come yet
};

}  // namespace runwire
