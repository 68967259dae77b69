#include <doctest/doctest.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <vector>

#include "client/line_reader.hpp"
#include "client/unique_fd.hpp"
#include "proto/limits.hpp"

using namespace runwire;

namespace {

struct Pipe {
  Pipe() {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    read_end.reset(ends[0]);
    write_end.reset(ends[1]);
  }
  void holds(std::string_view bytes) const {
    REQUIRE(::write(write_end.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  UniqueFd read_end, write_end;
};

std::vector<std::string> lines_of(std::string_view input) {
  Pipe pipe;
  pipe.holds(input);
  pipe.write_end.reset();
  LineReader reader(pipe.read_end.get(), nullptr);
  std::vector<std::string> lines;
  for (auto line = reader.next(); line.value().kind == Line::command; line = reader.next())
    lines.push_back(line->text);
  return lines;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("line reader: each line is one, without its newline") {
  CHECK(lines_of("a\nb c\n\nd\n") == Lines{"a", "b c", "", "d"});
}

TEST_CASE("line reader: the last line needs no newline") { CHECK(lines_of("a\nb") == Lines{"a", "b"}); }

TEST_CASE("line reader: an empty input has no line") { CHECK(lines_of("").empty()); }

TEST_CASE("line reader: any byte passes") {
  const std::string bytes("\x01\0\xff\xc4\r", 5);
  CHECK(lines_of(bytes + "\n") == Lines{bytes});
}

TEST_CASE("line reader: a line that comes in pieces is one") {
  Pipe pipe;
  LineReader reader(pipe.read_end.get(), nullptr);
  pipe.holds("a\nhal");
  CHECK(reader.next()->text == "a");
  pipe.holds("f\nrest");
  CHECK(reader.next()->text == "half");
}

TEST_CASE("line reader: an interrupt forgets what was typed, and is told once") {
  auto interrupt = Signals::install({SIGINT});
  REQUIRE(interrupt.ok());
  Pipe pipe;
  LineReader reader(pipe.read_end.get(), &*interrupt);
  pipe.holds("a\nhalf of a");
  CHECK(reader.next()->text == "a");
  ::raise(SIGINT);
  CHECK(reader.next()->kind == Line::interrupted);
  pipe.holds("b\n");
  CHECK(reader.next()->text == "b");
}

TEST_CASE("line reader: a line longer than a command may be is refused before it has ended") {
  std::string path = "/tmp/runwire-test-XXXXXX";
  const UniqueFd file(::mkstemp(path.data()));
  REQUIRE(file);
  REQUIRE(::unlink(path.c_str()) == 0);
  const std::string input(kMaxCommandBytes + 5000, 'x');
  REQUIRE(::write(file.get(), input.data(), input.size()) == static_cast<ssize_t>(input.size()));
  REQUIRE(::lseek(file.get(), 0, SEEK_SET) == 0);
  LineReader reader(file.get(), nullptr);
  const auto line = reader.next();
  REQUIRE(!line.ok());
  CHECK(line.error().code == Errc::invalid_argument);
}
