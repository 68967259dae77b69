#include <doctest/doctest.h>

#include "client/printable.hpp"

using namespace runwire;

TEST_CASE("printable: text stays as it is") {
  CHECK(printable("a b~") == "a b~");
  CHECK(printable("\xe4\xbd\xa0 \xc3\xa9 \xf0\x9f\x98\x80") == "\xe4\xbd\xa0 \xc3\xa9 \xf0\x9f\x98\x80");
}

TEST_CASE("printable: what a terminal would obey is shown instead") {
  CHECK(printable("\x1b[2J") == "\\x1b[2J");
  CHECK(printable("\a\b\r\n\t\x7f") == "\\x07\\x08\\x0d\\x0a\\x09\\x7f");
  CHECK(printable(std::string_view("\0", 1)) == "\\x00");
  CHECK(printable("\xc2\x9b") == "\\x9b");  // CSI as one character
}

TEST_CASE("printable: marks that turn the direction of writing are shown instead") {
  CHECK(printable("\xe2\x80\xae") == "\\u202e");
  CHECK(printable("\xe2\x81\xa6") == "\\u2066");
  CHECK(printable("\xe2\x80\xa8") == "\\u2028");
}

TEST_CASE("printable: bytes that are no UTF-8 are shown as bytes") {
  CHECK(printable("\xff\xc4\xe3") == "\\xff\\xc4\\xe3");
  CHECK(printable("\xe4\xbd") == "\\xe4\\xbd");
}
