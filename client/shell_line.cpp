#include "client/shell_line.hpp"

#include <cassert>

#include "proto/limits.hpp"

namespace runwire {
namespace {

std::string single_quoted(std::string_view word) {
  std::string quoted = "'";
  for (const char c : word)
    if (c == '\'')
      quoted += "'\\''";  // ends the quotes, a quoted quote, begins them again
    else
      quoted += c;
  return quoted += '\'';
}

}  // namespace

std::string shell_line(std::span<const std::string> words) {
  assert(!words.empty());
  if (words.size() == 1) return words[0];
  std::string line;
  for (const std::string& word : words) {
    if (!line.empty()) line += ' ';
    line += single_quoted(word);
  }
  return line;
}

Status check_shell_line(std::string_view line) {
  if (line.empty())
    return Error{Errc::invalid_argument, "the command is empty; give the server's shell a line to run"};
  if (line.find('\0') != line.npos)
    return Error{Errc::invalid_argument,
                 "the command holds a NUL byte, which no shell can take; leave it out"};
  if (line.size() > kMaxCommandBytes)
    return Error{Errc::invalid_argument, "the command has " + std::to_string(line.size()) +
                                             " bytes and may have " + std::to_string(kMaxCommandBytes) +
                                             "; put it into a file there, and run the file"};
  return Ok{};
}

}  // namespace runwire
