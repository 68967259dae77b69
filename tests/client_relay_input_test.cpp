#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include "client/relay_input.hpp"
#include "client/unique_fd.hpp"

using namespace runwire;

namespace {

struct Input {
  explicit Input(std::string_view bytes) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    read_end.reset(ends[0]);
    const UniqueFd write_end(ends[1]);
    REQUIRE(::write(write_end.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  UniqueFd read_end;
};

}  // namespace

TEST_CASE("relay input: no more is read than is asked for, and the end is known when it is met") {
  const Input pipe("abcdef");
  RelayInput input(pipe.read_end.get(), nullptr);
  REQUIRE(input.read(4).ok());
  CHECK(input.from(0) == "abcd");
  REQUIRE(input.read(4).ok());
  CHECK(input.from(0) == "abcdef");
  CHECK(!input.has_ended());
  REQUIRE(input.read(4).ok());
  CHECK(input.has_ended());
  CHECK(input.from(0) == "abcdef");
}

TEST_CASE("relay input: where there is room for nothing, nothing is read, and that is no end") {
  const Input pipe("abc");
  RelayInput input(pipe.read_end.get(), nullptr);
  REQUIRE(input.read(0).ok());
  CHECK(!input.has_ended());
  REQUIRE(input.read(3).ok());
  CHECK(input.from(0) == "abc");
}

TEST_CASE("relay input: what is not forgotten can be had again") {
  const Input pipe("abcdef");
  RelayInput input(pipe.read_end.get(), nullptr);
  REQUIRE(input.read(6).ok());
  CHECK(input.from(5) == "f");
  input.forget_before(2);
  CHECK(input.from(2) == "cdef");
  CHECK(input.from(6).empty());
  input.forget_before(1);
  CHECK(input.from(2) == "cdef");
}

TEST_CASE("relay input: the first byte belongs where it is first asked for") {
  const Input pipe("abc");
  RelayInput input(pipe.read_end.get(), nullptr);
  CHECK(input.from(1000).empty());
  REQUIRE(input.read(3).ok());
  CHECK(input.from(1001) == "bc");
}

TEST_CASE("relay input: what cannot be read is an error, and a closed stdin has nothing in it") {
  const UniqueFd directory(::open("/", O_RDONLY | O_CLOEXEC));
  RelayInput input(directory.get(), nullptr);
  const Status read = input.read(1);
  REQUIRE(!read.ok());
  CHECK(read.error().message == "stdin: Is a directory");
  RelayInput closed(-1, nullptr);
  CHECK(closed.read(1).ok());
  CHECK(closed.has_ended());
}

TEST_CASE("relay input: what is typed before an escape passes, and only who obeys one leaves") {
  for (const bool obeys_escape : {true, false}) {
    const Input pipe("a\r~.b");
    RelayInput input(pipe.read_end.get(), nullptr, obeys_escape);
    REQUIRE(input.read(RelayInput::kMost).ok());
    CHECK((input.escape() != nullptr && input.escape()->leaves()) == obeys_escape);
    CHECK(input.from(0) == (obeys_escape ? "a\r" : "a\r~.b"));
  }
}

TEST_CASE("relay input: a ~ that is typed last of all passes with the end") {
  const Input pipe("~");
  RelayInput input(pipe.read_end.get(), nullptr, true);
  REQUIRE(input.read(8).ok());
  CHECK(input.from(0).empty());
  CHECK(!input.has_ended());
  REQUIRE(input.read(8).ok());
  CHECK(input.has_ended());
  CHECK(input.from(0) == "~");
}
