#include <doctest/doctest.h>

#include <string>
#include <utility>

#include "proto/base64.hpp"

using namespace runwire;

namespace {

std::string all_bytes() {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  return bytes;
}

}  // namespace

TEST_CASE("base64: the examples of RFC 4648 go both ways") {
  const std::pair<const char*, const char*> kExamples[] = {{"", ""},
                                                           {"f", "Zg=="},
                                                           {"fo", "Zm8="},
                                                           {"foo", "Zm9v"},
                                                           {"foob", "Zm9vYg=="},
                                                           {"fooba", "Zm9vYmE="},
                                                           {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : kExamples) {
    CHECK(to_base64(bytes) == text);
    CHECK(from_base64(text) == std::string(bytes));
  }
}

TEST_CASE("base64: every byte comes back, at every place of a group") {
  for (std::size_t skipped = 0; skipped < 4; ++skipped) {
    const std::string bytes = all_bytes().substr(skipped);
    CHECK(from_base64(to_base64(bytes)) == bytes);
  }
  CHECK(to_base64("\xff\xef\xbe") == "/+++");
}

TEST_CASE("base64: what is not of the standard alphabet is none") {
  for (const char* text : {"Zm9\n", "Zm 9", "Zm9-", "Zm9_", "Zm9.", "\xc3\xa9Zm"}) {
    CAPTURE(text);
    CHECK_FALSE(from_base64(text).has_value());
  }
  CHECK_FALSE(from_base64(std::string_view("Zm\0v", 4)).has_value());
}

TEST_CASE("base64: a group that is not whole is none") {
  for (const char* text : {"Z", "Zg", "Zg=", "Zm9vY", "Zm9vYg", "Zm9vYg="})
    CHECK_FALSE(from_base64(text).has_value());
}

TEST_CASE("base64: padding stands at the end only, and is two at most") {
  for (const char* text : {"=", "====", "Z===", "Zg==Zg==", "Zm8=Zm8=", "Z=g=", "=Zg=", "Zm9v===="}) {
    CAPTURE(text);
    CHECK_FALSE(from_base64(text).has_value());
  }
}

TEST_CASE("base64: bits that padding leaves over must be 0, so that one text alone means some bytes") {
  for (const char* text : {"Zh==", "Zv==", "Zm9=", "Zm+="}) CHECK_FALSE(from_base64(text).has_value());
}
