#include <doctest/doctest.h>

#include "client/escape.hpp"

using namespace runwire;

TEST_CASE("escape: ~. leaves at the very beginning and behind a CR or LF, and what stood before it passes") {
  for (const std::string before : {"", "ls\r", "ls\n", "\r\n", "\r", "~~\r", "~x\r"}) {
    CAPTURE(before);
    Escape escape;
    const std::string passed = escape.pass(before + "~.");
    CHECK(escape.leaves());
    CHECK(passed == (before.starts_with("~~") ? "~\r" : before));
  }
}

TEST_CASE("escape: behind ~. nothing passes any more") {
  Escape escape;
  CHECK(escape.pass("~.ls\r") == "");
  CHECK(escape.pass("ls\r") == "");
  CHECK(escape.leaves());
}

TEST_CASE("escape: elsewhere than at the beginning of a line a ~ is one, and so is one that no . follows") {
  for (const std::string_view typed : {"ls ~.", "a~.\rb~.", "~/bin", "~user\r", "~ .", "~\r.", "x~~."}) {
    CAPTURE(typed);
    Escape escape;
    CHECK(escape.pass(typed) == typed);
    CHECK(!escape.leaves());
  }
}

TEST_CASE("escape: ~~ is one ~, and what follows it is within the line") {
  Escape escape;
  CHECK(escape.pass("~~.") == "~.");
  CHECK(escape.pass("\r~~~") == "\r~~");
  CHECK(!escape.leaves());
}

TEST_CASE("escape: a line that a ~ begins and ends is over, and the next one has its own") {
  Escape escape;
  CHECK(escape.pass("~\r~") == "~\r");
  CHECK(escape.pass(".") == "");
  CHECK(escape.leaves());
}

TEST_CASE("escape: it is the same however the keys come in pieces") {
  for (const std::string_view typed : {"ls\r~~\r~.x", "~~~.\r~x\n~", "\r\n~."}) {
    CAPTURE(typed);
    Escape whole, key_by_key;
    std::string passed;
    for (const char key : typed) passed += key_by_key.pass(std::string_view(&key, 1));
    CHECK(passed == whole.pass(typed));
    CHECK(key_by_key.leaves() == whole.leaves());
  }
}

TEST_CASE("escape: a ~ that is held passes at the end, once") {
  Escape escape;
  CHECK(escape.pass("\r~") == "\r");
  CHECK(escape.finish() == "~");
  CHECK(escape.finish() == "");
}

TEST_CASE("escape: ~^Z asks once for a stop, and what is typed before and behind it passes") {
  Escape escape;
  CHECK(escape.pass("a\r~\x1a"
                    "b\x1a") == "a\rb\x1a");
  CHECK(escape.take_stop());
  CHECK(!escape.take_stop());
  CHECK(escape.pass("x~\x1a") == "x~\x1a");
  CHECK(!escape.take_stop());
}

TEST_CASE("escape: behind ~^Z a line begins") {
  Escape escape;
  CHECK(escape.pass("~\x1a~.") == "");
  CHECK(escape.leaves());
}

TEST_CASE("escape: the key that interrupts passes unless it is heard here, and then a line begins") {
  Escape escape;
  CHECK(escape.pass("a\x03") == "a\x03");
  CHECK(!escape.take_interrupt());
  escape.hear_interrupt('\x03');
  CHECK(escape.pass("a\x03"
                    "b") == "ab");
  CHECK(escape.take_interrupt());
  CHECK(!escape.take_interrupt());
  CHECK(escape.pass("\x03~.") == "");
  CHECK(escape.leaves());
}
