#include <doctest/doctest.h>

#include "client/charset.hpp"

using namespace runwire;

namespace {

Charset open(const char* from, const char* to) {
  auto charset = Charset::open(from, to);
  REQUIRE(charset.ok());
  return std::move(*charset);
}

const std::string_view kGbk = "a\xc4\xe3\xba\xc3z";  // a, "ni", "hao", z
const std::string_view kUtf8 = "a\xe4\xbd\xa0\xe5\xa5\xbdz";
const std::string kReplacement = "\xef\xbf\xbd";

}  // namespace

TEST_CASE("charset: GBK becomes UTF-8") {
  Charset charset = open("GBK", "UTF-8");
  CHECK(charset.convert(kGbk) == kUtf8);
  CHECK(charset.finish() == "");
}

TEST_CASE("charset: a character split between pieces survives, at every place") {
  for (std::size_t cut = 0; cut <= kGbk.size(); ++cut) {
    CAPTURE(cut);
    Charset charset = open("GBK", "UTF-8");
    std::string text = charset.convert(kGbk.substr(0, cut));
    text += charset.convert(kGbk.substr(cut));
    text += charset.finish();
    CHECK(text == kUtf8);
  }
}

TEST_CASE("charset: text longer than one step of the conversion comes out whole") {
  std::string gbk, utf8;
  for (int i = 0; i < 5000; ++i) gbk += kGbk, utf8 += kUtf8;
  Charset charset = open("GBK", "UTF-8");
  CHECK(charset.convert(gbk) == utf8);
}

TEST_CASE("charset: an invalid byte is replaced and what follows is not lost") {
  Charset charset = open("GBK", "UTF-8");
  CHECK(charset.convert("a\xff|b\xc4\xe3") == "a" + kReplacement + "|b\xe4\xbd\xa0");
}

TEST_CASE("charset: a character that never ends is replaced at the end, and only there") {
  Charset charset = open("GBK", "UTF-8");
  CHECK(charset.convert("a\xc4") == "a");
  CHECK(charset.finish() == kReplacement);
  CHECK(charset.convert(kGbk) == kUtf8);  // nothing is left of it
}

TEST_CASE("charset: what the terminal lacks is replaced as one character") {
  Charset charset = open("GBK", "ASCII");
  CHECK(charset.convert(kGbk) == "a??z");
}

TEST_CASE("charset: an exact conversion refuses what it cannot keep") {
  Charset to_ascii = open("UTF-8", "ASCII");
  CHECK(to_ascii.convert_exactly("echo x").value() == "echo x");
  CHECK(to_ascii.convert_exactly(kUtf8).error().code == Errc::invalid_argument);
  CHECK(to_ascii.convert_exactly("\xff").error().code == Errc::invalid_argument);
  CHECK(to_ascii.convert_exactly("\xe4\xbd").error().code == Errc::invalid_argument);
  CHECK(open("UTF-8", "GBK").convert_exactly(kUtf8).value() == kGbk);
}

TEST_CASE("charset: a stateful set begins and ends in its initial state") {
  Charset charset = open("UTF-8", "ISO-2022-JP");
  const std::string kanji = "\xe6\x97\xa5";
  const std::string encoded = "\x1b$BF|\x1b(B";
  CHECK(charset.convert_exactly(kanji).value() == encoded);
  CHECK(charset.convert_exactly(kanji).value() == encoded);
}

TEST_CASE("charset: an unknown one is named") {
  const std::string text = "encoding 'no-such' is not known on this system; `iconv -l` lists those that are";
  CHECK(Charset::open("no-such", "UTF-8").error().message == text);
  CHECK(Charset::open("UTF-8", "no-such").error().message == text);
}
