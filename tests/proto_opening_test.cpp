// Properties of judge_opening(); proto/vectors/openings.txt is its table.
#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "proto/opening.hpp"

using namespace runwire;

namespace {

// The verdict that a server acts on: the first that is decided when the bytes come one by one.
Opening judge_byte_by_byte(std::string_view bytes) {
  for (std::size_t size = 1; size < bytes.size(); ++size) {
    const Opening opening = judge_opening(bytes.substr(0, size));
    if (opening != Opening::undecided) return opening;
  }
  return judge_opening(bytes);
}

bool may_follow(Opening before, Opening after) {
  return before == after || before == Opening::undecided ||
         (before == Opening::plain && after == Opening::http);
}

const std::vector<std::string> kWords = {"GET",      "get",      "Post", "patch", "head",  "PRI",  "/",
                                         "/x y",     "*",        "-1",   "'q'",   "HTTP/", "1.1",  "HTTP/1",
                                         "HTTP/1.1", "http/2.0", " ",    "\t",    "\r",    "\n",   "\r\n",
                                         "SSH-",     "SS",       "echo", "\x16",  "host",  "[::1]"};

std::string random_text(std::mt19937& random) {
  std::string text;
  for (unsigned words = random() % 8; words > 0; --words) {
    text += kWords[random() % kWords.size()];
    if (random() % 2 == 0) text += ' ';
  }
  return text;
}

}  // namespace

TEST_CASE("opening: every method that HTTP knows is refused, in any letters, wherever it is cut") {
  for (const std::string method :
       {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PRI", "PROPFIND"}) {
    std::string lower = method;
    for (char& c : lower) c = static_cast<char>(c | 0x20);
    for (const std::string& written : {method, lower, lower.substr(0, 1) + method.substr(1)}) {
      INFO(written);
      CHECK(judge_opening(written + " / HTTP/1.1\r\n") == Opening::http);
      CHECK(judge_byte_by_byte(written + " / HTTP/1.1\r\n") == Opening::http);
      CHECK(judge_byte_by_byte("\r\n" + written + " /index.html?a=b HTTP/1.0\r\n") == Opening::http);
    }
  }
}

TEST_CASE("opening: the beginning of every method is waited for") {
  const std::string method = "PROPPATCH";
  for (std::size_t size = 1; size <= method.size(); ++size)
    CHECK(judge_opening(method.substr(0, size)) == Opening::undecided);
  CHECK(judge_opening("PROPPATCHX") == Opening::plain);
}

TEST_CASE("opening: an SSH banner is refused wherever it is cut") {
  CHECK(judge_byte_by_byte("SSH-2.0-OpenSSH_9.2p1\r\n") == Opening::ssh);
  CHECK(judge_byte_by_byte("\nSSH-1.99-x\n") == Opening::ssh);
}

TEST_CASE("opening: the first byte alone tells a session and TLS") {
  CHECK(judge_opening(std::string_view("\0", 1)) == Opening::session);
  CHECK(judge_opening("\x16") == Opening::tls);
}

TEST_CASE("opening: all other bytes begin a command or may still become one") {
  for (int value = 0; value < 256; ++value) {
    if (value == 0 || value == 0x16) continue;
    const char byte = static_cast<char>(value);
    const Opening opening = judge_opening({&byte, 1});
    CHECK((opening == Opening::plain || opening == Opening::undecided));
  }
}

TEST_CASE("opening: all but ASCII letters are what they are, whatever the locale's toupper() makes of them") {
  CHECK(judge_opening("g\xc3\xa9t / HTTP/1.1\n") == Opening::plain);
  CHECK(judge_opening("\xe7"
                      "et / HTTP/1.1\n") == Opening::plain);
}

TEST_CASE("opening: on longer input a verdict changes from undecided, and from plain to http, only") {
  std::mt19937 random(1066);
  for (int round = 0; round < 20000; ++round) {
    const std::string text = random_text(random);
    Opening before = Opening::undecided;
    for (std::size_t size = 1; size <= text.size(); ++size) {
      const Opening now = judge_opening(std::string_view(text).substr(0, size));
      REQUIRE_MESSAGE(may_follow(before, now), text);
      before = now;
    }
  }
}

TEST_CASE("opening: whatever follows a line that is plain, it stays plain") {
  for (const char* line : {"ls\n", "get\n", "head -1 file\n", "echo GET / HTTP/1.1\n", "get / HTTP\n"})
    for (const std::string& word : kWords) CHECK(judge_opening(line + word) == Opening::plain);
}
