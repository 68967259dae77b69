#include <doctest/doctest.h>
#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "server/log.hpp"
#include "tests/captured_stream.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

// The lines that `body` logs.
template <class Body> std::string logged(Body body, log::Level level = log::Level::info) {
  log::set_level(level);
  CapturedStream stderr_text(STDERR_FILENO);
  body();
  std::string text = stderr_text.text();
  log::set_level(log::Level::error);
  return text;
}

// Without the time that it starts with.
std::string body_of(const std::string& line) { return line.substr(line.find(" level=") + 1); }

std::string with_digits_as_zero(std::string text) {
  for (char& c : text)
    if (std::isdigit(static_cast<unsigned char>(c)) != 0) c = '0';
  return text;
}

// Stderr as a pipe of which the test has the other end.
class PipedStderr {
 public:
  PipedStderr() : saved_(dup(STDERR_FILENO)) {
    REQUIRE(pipe(ends_) == 0);
    dup2(ends_[1], STDERR_FILENO);
    fcntl(ends_[0], F_SETFL, O_NONBLOCK);
  }
  ~PipedStderr() {
    dup2(saved_, STDERR_FILENO);
    for (const int fd : {saved_, ends_[0], ends_[1]}) close(fd);
  }
  // Leaves no room for a line.
  void fill() {
    fcntl(ends_[1], F_SETFL, O_NONBLOCK);
    const std::string block(4096, '.');
    while (write(ends_[1], block.data(), block.size()) > 0) {
    }
    fcntl(ends_[1], F_SETFL, 0);
  }
  std::string take() {
    std::string all;
    std::array<char, 4096> bytes{};
    for (ssize_t n; (n = read(ends_[0], bytes.data(), bytes.size())) > 0;)
      all.append(bytes.data(), static_cast<std::size_t>(n));
    return all;
  }

 private:
  int saved_;
  int ends_[2] = {-1, -1};
};

}  // namespace

TEST_CASE("log: one line an event, with its time in UTC to the millisecond") {
  const std::string line = logged([] { log::info("refused").add("conn", 7).add("reason", "http"); });
  const std::string form = "time=0000-00-00T00:00:00.000Z level=info event=refused conn=7 reason=http\n";
  CHECK(with_digits_as_zero(line.substr(0, 30)) + line.substr(30) == form);
}

TEST_CASE("log: what is below the level is not written") {
  auto all = [] {
    log::error("e");
    log::warn("w");
    log::info("i");
    log::debug("d");
  };
  auto lines = [&](log::Level level) {
    const std::string text = logged(all, level);
    return std::count(text.begin(), text.end(), '\n');
  };
  CHECK(lines(log::Level::error) == 1);
  CHECK(lines(log::Level::warn) == 2);
  CHECK(lines(log::Level::info) == 3);
  CHECK(lines(log::Level::debug) == 4);
}

TEST_CASE("log: a level is known by its name and by no other") {
  CHECK(log::level_named("warn") == log::Level::warn);
  CHECK_FALSE(log::level_named("WARN").has_value());
  CHECK_FALSE(log::level_named("").has_value());
}

TEST_CASE("log: plain values stand bare, all others in quotes") {
  CHECK(log::escape("127.0.0.1:8098") == "127.0.0.1:8098");
  CHECK(log::escape("") == "\"\"");
  CHECK(log::escape("a b") == "\"a b\"");
  CHECK(log::escape("a=b") == "\"a=b\"");
}

TEST_CASE("log: no value can forge a line, a field or a terminal's command") {
  CHECK(log::escape("x\ntime=now level=info event=fine") == "\"x\\ntime=now level=info event=fine\"");
  CHECK(log::escape("a\" event=\"b") == "\"a\\\" event=\\\"b\"");
  CHECK(log::escape("back\\slash") == "\"back\\\\slash\"");
  CHECK(log::escape("\x1b[2J\r\x7f\xff") == "\"\\x1b[2J\\x0d\\x7f\\xff\"");
  CHECK(log::escape(std::string("\0", 1)) == "\"\\x00\"");
  const std::string line = logged([] { log::info("command").add("bytes", "a\nb\r\x1b[0m\"c"); });
  CHECK(std::count(line.begin(), line.end(), '\n') == 1);
  CHECK(body_of(line) == "level=info event=command bytes=\"a\\nb\\x0d\\x1b[0m\\\"c\"\n");
}

TEST_CASE("log: a long value is cut and says so") {
  const std::string fits(log::kMaxValueBytes, 'x');
  CHECK(log::escape(fits) == fits);
  CHECK(log::escape(fits + "y") == "\"" + fits + "...\"");
  CHECK(log::escape(std::string(1 << 20, '\n')).size() < 2 * log::kMaxValueBytes + 10);
}

TEST_CASE("log: a line is never longer than a pipe takes at once, and still ends as one") {
  const std::string line = logged([] {
    auto event = log::info("long");
    for (int i = 0; i < 20; ++i) event.add("value", std::string(1 << 20, '\x01'));
  });
  CHECK(line.size() <= 4096);
  CHECK(std::count(line.begin(), line.end(), '\n') == 1);
  CHECK(line.back() == '\n');
}

TEST_CASE("log: the count of dropped lines is told whatever the length of the line that tells it") {
  log::set_level(log::Level::info);
  std::string text;
  {
    PipedStderr stderr_pipe;
    stderr_pipe.fill();
    for (int i = 0; i < 3; ++i) log::info("lost");
    stderr_pipe.take();
    {
      auto event = log::info("long");
      for (int i = 0; i < 20; ++i) event.add("value", std::string(1 << 20, '\x01'));
    }
    text = stderr_pipe.take();
  }
  log::set_level(log::Level::error);
  CHECK(text.size() == 4096);
  CHECK(body_of(text).starts_with("level=info event=long dropped=3 value="));
}

TEST_CASE("log: what a full stderr cannot take is dropped without waiting, counted, and told later") {
  log::set_level(log::Level::info);
  std::string text;
  {
    PipedStderr stderr_pipe;
    stderr_pipe.fill();
    for (int i = 0; i < 3; ++i) log::info("lost");
    stderr_pipe.take();
    log::info("heard");
    log::info("next");
    text = stderr_pipe.take();
  }
  log::set_level(log::Level::error);
  CHECK(std::count(text.begin(), text.end(), '\n') == 2);
  CHECK(body_of(text.substr(0, text.find('\n'))) == "level=info event=heard dropped=3");
  CHECK(text.ends_with("event=next\n"));
}
