#include <doctest/doctest.h>

#include <vector>

#include "client/shell_line.hpp"
#include "proto/limits.hpp"

using namespace runwire;

namespace {

std::string line_of(const std::vector<std::string>& words) { return shell_line(words); }

std::string complaint(std::string_view line) {
  const auto checked = check_shell_line(line);
  return checked ? "" : checked.error().message;
}

}  // namespace

TEST_CASE("shell line: one word is a line already") { CHECK(line_of({"ls -l | wc -l"}) == "ls -l | wc -l"); }

TEST_CASE("shell line: several words are quoted each, whatever they hold") {
  CHECK(line_of({"echo", "a b", "$HOME", ""}) == "'echo' 'a b' '$HOME' ''");
  CHECK(line_of({"echo", "it's"}) == "'echo' 'it'\\''s'");
  CHECK(line_of({"echo", "'"}) == "'echo' ''\\'''");
  CHECK(line_of({"printf", "a\nb\\"}) == "'printf' 'a\nb\\'");
  CHECK(line_of({"echo", "\xc4\xe3"}) == "'echo' '\xc4\xe3'");
}

TEST_CASE("shell line: words that mean something to a shell are quoted as well") {
  CHECK(line_of({"if", "A=1", "~"}) == "'if' 'A=1' '~'");
}

TEST_CASE("shell line: an empty one cannot be sent") {
  CHECK(complaint("").starts_with("the command is empty; "));
}

TEST_CASE("shell line: a NUL byte is refused and not cut at") {
  CHECK(complaint(std::string_view("a\0b", 3)).starts_with("the command holds a NUL byte"));
}

TEST_CASE("shell line: 1 MiB can be sent and a byte more cannot") {
  CHECK(complaint(std::string(kMaxCommandBytes, 'x')) == "");
  CHECK(complaint(std::string(kMaxCommandBytes + 1, 'x')) ==
        "the command has 1048577 bytes and may have 1048576; put it into a file there, and run the file");
}
