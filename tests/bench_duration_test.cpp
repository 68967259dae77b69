#include <doctest/doctest.h>

#include "bench/duration.hpp"

using namespace runwire;

TEST_CASE("duration: each unit is understood, and seconds are the default") {
  CHECK(*parse_duration("10s") == 10 * kSecond);
  CHECK(*parse_duration("500ms") == 500 * kMillisecond);
  CHECK(*parse_duration("2m") == 120 * kSecond);
  CHECK(*parse_duration("1h") == 3600 * kSecond);
  CHECK(*parse_duration("7") == 7 * kSecond);
  CHECK(*parse_duration("0.5") == 500 * kMillisecond);
  CHECK(*parse_duration("0") == 0);
}

TEST_CASE("duration: anything else is refused, with examples of what is right") {
  for (const char* text :
       {"", "s", "ten", "10x", "10 s", "-1s", "1e3", "nan", "inf", "10s5", "25h", "99999999999999h"}) {
    CAPTURE(text);
    const auto parsed = parse_duration(text);
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.error().code == Errc::invalid_argument);
    CHECK(parsed.error().message.find("write 10s, 500ms") != std::string::npos);
  }
}
