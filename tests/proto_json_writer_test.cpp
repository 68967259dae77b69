// That what JsonWriter writes is JSON is judged by the reader of headers, which knows nothing of it.
#include <doctest/doctest.h>

#include <algorithm>
#include <clocale>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <utility>

#include "proto/json_writer.hpp"
#include "proto/message.hpp"
#include "proto/utf8.hpp"
#include "tests/scratch_dir.hpp"

using namespace runwire;
using runwire::test::ScratchDir;

namespace {

// `text` through the writer and the reader, as the message of an error.
std::string round_trip(std::string_view text) {
  JsonWriter json;
  json.number("len", 0).text("error", "x").text("message", text);
  const auto header = parse_reply_header(std::move(json).finish());
  REQUIRE_MESSAGE(header.ok(), header.error().message);
  return header->error->message;
}

std::string with_replacements(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t size = utf8_character(text);
    out += size == 0 ? "\xef\xbf\xbd" : std::string(text.substr(0, size));
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return out;
}

std::string decimal_text(double value) {
  JsonWriter json;
  json.decimal("d", value);
  const std::string object = std::move(json).finish();
  return object.substr(5, object.size() - 6);
}

double decimal_round_trip(double value) {
  JsonWriter json;
  json.number("len", 0).begin_object("usage").decimal("wall_ms", value).end_object();
  const auto header = parse_reply_header(std::move(json).finish());
  REQUIRE(header.ok());
  return *header->usage.wall_ms;
}

// A locale whose numbers have a comma, for the test; the one before comes back with its end.
class DecimalComma {
 public:
  DecimalComma() : before_(std::setlocale(LC_NUMERIC, nullptr)) {
    for (const char* name : {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "fr_FR.utf8"})
      if (std::setlocale(LC_NUMERIC, name) != nullptr) return;
    const std::string make = "localedef -i de_DE -f UTF-8 '" + dir_.path("comma") + "' >/dev/null 2>&1";
    if (std::system(make.c_str()) != 0) return;
    ::setenv("LOCPATH", dir_.path().c_str(), 1);
    std::setlocale(LC_NUMERIC, "comma");
    ::unsetenv("LOCPATH");
  }
  DecimalComma(const DecimalComma&) = delete;
  DecimalComma& operator=(const DecimalComma&) = delete;
  ~DecimalComma() { std::setlocale(LC_NUMERIC, before_.c_str()); }

  bool is_there() const { return *std::localeconv()->decimal_point == ','; }

 private:
  std::string before_;
  ScratchDir dir_;
};

}  // namespace

TEST_CASE("json: fields stand in the order of the calls, with commas between them") {
  JsonWriter json;
  json.text("z", "1").number("a", -2).boolean("t", true).boolean("f", false).null("n");
  json.begin_object("o").end_object().begin_object("p").number("q", 1).null("r").end_object().decimal("d",
                                                                                                      1.5);
  json.number_or_null("x", 7).number_or_null("y", std::nullopt);
  CHECK(
      std::move(json).finish() ==
      R"({"z":"1","a":-2,"t":true,"f":false,"n":null,"o":{},"p":{"q":1,"r":null},"d":1.500,"x":7,"y":null})");
}

TEST_CASE("json: an object without fields is empty") { CHECK(JsonWriter().finish() == "{}"); }

TEST_CASE("json: quotes, backslashes and control characters are escaped, and nothing else") {
  CHECK(json_quote("a\"b\\c\n\r\t") == R"("a\"b\\c\n\r\t")");
  CHECK(json_quote(std::string_view("\0\x01\x1f", 3)) == R"("\u0000\u0001\u001f")");
  CHECK(json_quote("/<>&' \x7f") == "\"/<>&' \x7f\"");
  CHECK(json_quote("\xe4\xb8\xad\xf0\x9f\x98\x80") == "\"\xe4\xb8\xad\xf0\x9f\x98\x80\"");
}

TEST_CASE("json: keys are escaped like any text") {
  JsonWriter json;
  json.null("a\"b");
  CHECK(std::move(json).finish() == R"({"a\"b":null})");
}

TEST_CASE("json: every byte that is not UTF-8 becomes one U+FFFD") {
  CHECK(json_quote("a\xff\xfe"
                   "b") ==
        "\"a\xef\xbf\xbd\xef\xbf\xbd"
        "b\"");
  CHECK(json_quote("\xe4\xb8") == "\"\xef\xbf\xbd\xef\xbf\xbd\"");
}

TEST_CASE("json: every byte comes back, alone and between others") {
  for (int value = 0; value < 256; ++value) {
    const std::string byte(1, static_cast<char>(value));
    CHECK(round_trip(byte) == with_replacements(byte));
    CHECK(round_trip("a" + byte + "b") == with_replacements("a" + byte + "b"));
  }
}

TEST_CASE("json: random text comes back") {
  std::mt19937 random(8259);
  for (int round = 0; round < 2000; ++round) {
    std::string text(random() % 40, '\0');
    for (char& c : text) c = static_cast<char>(random() % 3 == 0 ? random() : "\"\\\n{}aé中"[random() % 11]);
    REQUIRE(round_trip(text) == with_replacements(text));
  }
}

TEST_CASE("json: integers are exact to their last digit") {
  JsonWriter json;
  json.number("a", std::numeric_limits<std::int64_t>::min())
      .number("b", std::numeric_limits<std::int64_t>::max());
  CHECK(std::move(json).finish() == R"({"a":-9223372036854775808,"b":9223372036854775807})");
}

TEST_CASE("json: decimals are rounded to three places, which are always there") {
  const std::pair<double, const char*> written[] = {{0, "0.000"},
                                                    {-0.0, "0.000"},
                                                    {1e-9, "0.000"},
                                                    {0.0005001, "0.001"},
                                                    {0.9996, "1.000"},
                                                    {1.213, "1.213"},
                                                    {12.05, "12.050"},
                                                    {-5.5, "-5.500"},
                                                    {-0.25, "-0.250"},
                                                    {-0.0001, "0.000"},
                                                    {999.9996, "1000.000"},
                                                    {4503599627370495.5, "4503599627370495.500"},
                                                    {4503599627370496, "4503599627370496.000"}};
  for (const auto& [value, text] : written) CHECK(decimal_text(value) == text);
}

TEST_CASE("json: decimals have a point, whatever the locale has") {
  const DecimalComma locale;
  if (!locale.is_there()) {
    MESSAGE("this system has no locale with a decimal comma");
    return;
  }
  CHECK(decimal_text(1.5) == "1.500");
  CHECK(decimal_text(1e20) == "100000000000000000000.000");
}

TEST_CASE("json: decimals have three places and are numbers at any size") {
  for (const double value : {0.0, -0.0, 0.125, 1e-9, 1234567.891, -5.5, 1e15}) {
    const double places = std::round(value * 1000) / 1000;
    CHECK(decimal_round_trip(value) == doctest::Approx(places).epsilon(1e-12));
  }
  CHECK(decimal_round_trip(std::numeric_limits<double>::max()) == std::numeric_limits<double>::max());
}
