#include <doctest/doctest.h>

#include "client/timespan.hpp"

using namespace runwire;
using namespace std::chrono_literals;

TEST_CASE("timespan: a number with a unit, a bare one is seconds") {
  CHECK(parse_timespan("500ms").value() == 500ms);
  CHECK(parse_timespan("10s").value() == 10s);
  CHECK(parse_timespan("2m").value() == 2min);
  CHECK(parse_timespan("1h").value() == 1h);
  CHECK(parse_timespan("365d").value() == 365 * 24h);
  CHECK(parse_timespan("10").value() == 10s);
  CHECK(parse_timespan("0").value() == 0s);
}

TEST_CASE("timespan: fractions, and parts that add up") {
  CHECK(parse_timespan("0.5").value() == 500ms);
  CHECK(parse_timespan("1.5m").value() == 90s);
  CHECK(parse_timespan("1m30s").value() == 90s);
  CHECK(parse_timespan("1m30").value() == 90s);
}

TEST_CASE("timespan: what is not nothing is at least a millisecond") {
  CHECK(parse_timespan("0.0001").value() == 1ms);
}

TEST_CASE("timespan: anything else is refused with the words that were given") {
  for (const char* text : {"", "x", "5x", "-1", "1-", "nan", "inf", "1e3", "s", "5 s", " 5", "5,5", "1 2",
                           "1.2.3", "366d", "99999999999999999999d", "30 m", "5S"}) {
    CAPTURE(text);
    const auto span = parse_timespan(text);
    REQUIRE(!span.ok());
    CHECK(span.error().message.starts_with("no span of time: '" + std::string(text) + "'; write 10s, "));
  }
}
