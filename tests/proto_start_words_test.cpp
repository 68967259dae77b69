// What stands in a start's payload.
#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "proto/start_words.hpp"
#include "tests/message_round_trip.hpp"

using namespace runwire;

namespace {

Start shell_start(std::uint64_t envc = 0) {
  Start start;
  start.shell = true;
  start.envc = envc;
  return start;
}

Start argv_start(std::uint64_t argc, std::uint64_t envc = 0) {
  Start start;
  start.argc = argc;
  start.envc = envc;
  return start;
}

std::string split_error(const Start& start, std::string_view payload) {
  return error_of(split_start_payload(start, payload));
}

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("start words: a start's payload comes back from its words as they were") {
  const StartWords all[] = {{"echo \xff 'x'", {}, {}},
                            {"", {}, {}},
                            {"line", {}, {"A=1", "B="}},
                            {"", {"program"}, {}},
                            {"", {"program", "", "two words", "\xff\n"}, {}},
                            {"", {"program", "A=1"}, {"B=2=3", "C=\xff"}}};
  for (const StartWords& words : all) {
    const bool shell = words.argv.empty();
    const std::string payload = join_start_payload(words, shell);
    Start start = shell ? shell_start() : argv_start(words.argv.size());
    start.envc = words.environment.size();
    const auto back = split_start_payload(start, payload);
    REQUIRE_MESSAGE(back.ok(), back.error().message);
    CHECK(back->line == words.line);
    CHECK(back->argv == words.argv);
    CHECK(back->environment == words.environment);
  }
}

TEST_CASE("start words: a payload is a line as it stands, or words with a NUL behind each") {
  CHECK(join_start_payload({"ls", {}, {}}, true) == "ls");
  CHECK(join_start_payload({"ls", {}, {"A=1"}}, true) == bytes({"ls\0A=1\0", 7}));
  CHECK(join_start_payload({"", {"a", "b"}, {"A=1"}}, false) == bytes({"a\0b\0A=1\0", 8}));
}

TEST_CASE("start words: a shell line of a start has no NUL, but the one before environment words") {
  CHECK(split_error(shell_start(), {"a\0b", 3}) ==
        "start: a shell line cannot hold a NUL byte; nothing was run");
  CHECK(split_error(shell_start(), {"ab\0", 3}).find("NUL") != std::string::npos);
  CHECK(split_error(shell_start(1), "ab A=1") ==
        "start: before environment words the line ends with a NUL byte");
  CHECK(split_error(shell_start(1), {"a\0b\0A=1\0", 8}) ==
        "start: the payload has more words than were announced");
}

TEST_CASE("start words: a payload with other than the announced number of words is refused") {
  const std::string_view two("a\0b\0", 4);
  CHECK(split_start_payload(argv_start(2), two).ok());
  for (const std::uint64_t argc : {std::uint64_t{3}, kMaxPayloadBytes})
    CHECK(split_error(argv_start(argc), two) == "start: the payload has fewer words than were announced");
  CHECK(split_error(argv_start(1), two) == "start: the payload has more words than were announced");
  CHECK(split_error(argv_start(2), {"a\0b", 3}) == "start: the payload has fewer words than were announced");
  CHECK(split_error(argv_start(2, 1), two) == "start: the payload has fewer words than were announced");
  CHECK(split_error(argv_start(1), "") == "start: the payload has fewer words than were announced");
}

TEST_CASE("start words: a program without a name is refused, an empty argument is not") {
  CHECK(split_error(argv_start(2), {"\0b\0", 3}) == "start: the first word, the program, is empty");
  CHECK(split_start_payload(argv_start(2), {"a\0\0", 3})->argv == Words{"a", ""});
}

TEST_CASE("start words: a word of the environment has a name and a value, which may be empty") {
  for (const std::string_view payload :
       {std::string_view("a\0A\0", 4), std::string_view("a\0=1\0", 5), std::string_view("a\0\0", 3)})
    CHECK(split_error(argv_start(1, 1), payload) == "start: a word of the environment is not NAME=VALUE");
  CHECK(split_start_payload(argv_start(1, 1), {"a\0A=\0", 5})->environment == Words{"A="});
  CHECK(split_error(shell_start(1), {"a\0A\0", 4}) == "start: a word of the environment is not NAME=VALUE");
}
