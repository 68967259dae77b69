#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>

#include "server/input_pipe.hpp"
#include "server/pty.hpp"
#include "tests/loop_fixture.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

constexpr std::size_t kMoreThanAPipe = 300000;

// An input and the command that reads it, both the test's.
class InputFixture : public LoopFixture {
 public:
  InputFixture() { REQUIRE(uv_pipe(ends, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE) == 0); }
  ~InputFixture() {
    stop_reading();
    if (!opened) close(ends[1]);
  }

  void open() {
    opened = true;
    input->open(ends[1]);
  }
  // All that is there for the command, with what it has read before.
  const std::string& read_all() {
    char bytes[65536];
    for (ssize_t count = 1; count > 0;) {
      count = ::read(ends[0], bytes, sizeof bytes);
      if (count > 0) received.append(bytes, static_cast<std::size_t>(count));
      if (count == 0) ended = true;
    }
    return received;
  }
  bool wait_for_end() {
    return run_until([&] { return read_all(), ended; });
  }
  void stop_reading() {
    if (ends[0] >= 0) close(ends[0]);
    ends[0] = -1;
  }

  std::unique_ptr<InputPipe> input =
      std::make_unique<InputPipe>(loop(), InputPipe::Events{[this](std::size_t bytes) {
                                                              taken += bytes;
                                                              if (on_taken) on_taken();
                                                            },
                                                            [this] { ++closings; }});
  std::function<void()> on_taken;
  std::size_t taken = 0;
  int closings = 0;
  int ends[2] = {-1, -1};
  bool opened = false, ended = false;
  std::string received;
};

std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + i / 251);
  return bytes;
}

}  // namespace

TEST_CASE_FIXTURE(InputFixture,
                  "input pipe: what is written is there for the command at once, and told as taken") {
  open();
  input->write("hello ");
  input->write(std::string_view("w\0rld", 5));
  CHECK(read_all() == std::string("hello w\0rld", 11));
  CHECK(taken == 11);
  CHECK_FALSE(ended);
}

TEST_CASE_FIXTURE(InputFixture, "input pipe: what was written before there was a command comes first") {
  input->write("one ");
  input->write("two ");
  CHECK(taken == 0);
  open();
  input->write("three");
  REQUIRE(run_until([&] { return read_all().size() == 13; }));
  CHECK(received == "one two three");
  CHECK(run_until([&] { return taken == 13; }));
}

TEST_CASE_FIXTURE(InputFixture,
                  "input pipe: an end that was said before there was a command is behind the bytes") {
  input->write("all");
  input->end();
  open();
  REQUIRE(wait_for_end());
  CHECK(received == "all");
}

TEST_CASE_FIXTURE(InputFixture, "input pipe: an end without a byte is one") {
  open();
  input->end();
  REQUIRE(wait_for_end());
  CHECK(received.empty());
  CHECK(closings == 0);
}

TEST_CASE_FIXTURE(InputFixture,
                  "input pipe: more than a pipe holds waits for the command, and none of it is lost") {
  const std::string all = pattern(kMoreThanAPipe);
  open();
  input->write(all);
  run_turns();
  CHECK(taken < all.size());
  input->end();
  run_turns();
  REQUIRE(wait_for_end());
  CHECK((received == all));
  CHECK(taken == all.size());
}

TEST_CASE_FIXTURE(InputFixture, "input pipe: what is written while other bytes wait keeps its place") {
  const std::string all = pattern(4 * kMoreThanAPipe);
  open();
  for (std::size_t at = 0; at < all.size(); at += 50000) {
    input->write(std::string_view(all).substr(at, 50000));
    if (at % 200000 == 0) run_turns(1);
  }
  input->end();
  REQUIRE(wait_for_end());
  CHECK((received == all));
  CHECK(taken == all.size());
}

TEST_CASE_FIXTURE(InputFixture, "input pipe: nothing is told as taken before it is out of our hands") {
  open();
  input->write(pattern(kMoreThanAPipe));
  while (received.size() < kMoreThanAPipe) {
    run_turns(1);
    char bytes[1000];
    const ssize_t count = ::read(ends[0], bytes, sizeof bytes);
    if (count > 0) received.append(bytes, static_cast<std::size_t>(count));
    int waiting = 0;
    REQUIRE(ioctl(ends[0], FIONREAD, &waiting) == 0);
    REQUIRE(taken <= received.size() + static_cast<std::size_t>(waiting));
  }
}

TEST_CASE_FIXTURE(InputFixture,
                  "input pipe: a command that reads no more is told once, and the rest is dropped") {
  open();
  input->write("read");
  CHECK(read_all() == "read");
  stop_reading();
  CHECK(closings == 0);
  input->write("lost");
  CHECK(closings == 1);
  CHECK(taken == 4);
  input->write("lost, too");
  input->end();
  run_turns();
  CHECK(closings == 1);
  CHECK(taken == 4);
}

TEST_CASE_FIXTURE(InputFixture, "input pipe: a command that stops to read while bytes wait is told, too") {
  open();
  input->write(pattern(kMoreThanAPipe));
  input->end();
  run_turns();
  const std::size_t before = taken;
  stop_reading();
  CHECK(run_until([&] { return closings == 1; }));
  CHECK(taken == before);
}

TEST_CASE_FIXTURE(InputFixture,
                  "input pipe: close() lets go at once, of what waits too, and tells nothing any more") {
  open();
  input->write(pattern(kMoreThanAPipe));
  run_turns();
  const std::size_t before = taken;
  input->close();
  input->write("lost");
  input->end();
  REQUIRE(wait_for_end());
  CHECK(received.size() < kMoreThanAPipe);
  CHECK(taken == before);
  CHECK(closings == 0);
}

TEST_CASE_FIXTURE(InputFixture, "input pipe: may be closed by the one that it tells") {
  on_taken = [&] { input->close(); };
  open();
  input->write(pattern(kMoreThanAPipe));
  REQUIRE(wait_for_end());
  CHECK(received.size() == taken);
  CHECK(closings == 0);
}

TEST_CASE_FIXTURE(InputFixture, "input pipe: may die with bytes under way, and before there was a command") {
  const bool kOpen = true, kEarly = false;
  for (const bool state : {kEarly, kOpen}) {
    if (state == kOpen) {
      input = std::make_unique<InputPipe>(
          loop(), InputPipe::Events{[this](std::size_t bytes) { taken += bytes; }, [this] { ++closings; }});
      open();
    }
    input->write(pattern(kMoreThanAPipe));
    run_turns();
    const std::size_t before = taken;
    input.reset();
    run_turns();
    CHECK(taken == before);
    CHECK(closings == 0);
  }
  CHECK(wait_for_end());
}

TEST_CASE_FIXTURE(LoopFixture,
                  "input pipe: at a terminal the end is what a user types for it, and is no input taken") {
  for (const std::string typed : {"", "a line\n", "a part"}) {
    CAPTURE(typed);
    Pty pty;
    REQUIRE(pty.open({}) == 0);
    const Descriptor output(dup(pty.master.get()));  // or the terminal would be hung up
    std::size_t taken = 0;
    InputPipe input(loop(), {[&](std::size_t bytes) { taken += bytes; }, [] {}});
    input.write(typed);
    input.end();
    input.open(pty.master.release(), true);
    std::string received;
    char bytes[64];
    ssize_t count = 0;
    run_turns();
    fcntl(pty.slave.get(), F_SETFL, O_RDWR | O_NONBLOCK);
    while ((count = read(pty.slave.get(), bytes, sizeof bytes)) > 0)
      received.append(bytes, static_cast<std::size_t>(count));
    CHECK(count == 0);
    CHECK(received == typed);
    CHECK(taken == typed.size());
  }
}

TEST_CASE_FIXTURE(LoopFixture,
                  "input pipe: at a terminal another one goes on within a line, and with an end half typed") {
  struct Case {
    InputPipe::Rest rest;
    std::string typed;  // before
    std::string read_as;
  };
  const InputPipe::Rest within{"", true, true}, behind{"", true, false};
  const InputPipe::Rest untyped{"a part", true, true}, typed_once{"\4", true, true, true};
  for (const Case& each : {Case{within, "a part", "a part"}, Case{behind, "a line\n", "a line\n"},
                           Case{untyped, "", "a part"}, Case{typed_once, "a part\4", "a part"}}) {
    CAPTURE(each.typed);
    Pty pty;
    REQUIRE(pty.open({}) == 0);
    const Descriptor output(dup(pty.master.get()));
    REQUIRE(write(output.get(), each.typed.data(), each.typed.size()) ==
            static_cast<ssize_t>(each.typed.size()));
    InputPipe input(loop(), {[](std::size_t) {}, [] {}});
    input.go_on(each.rest);
    input.open(pty.master.release(), true);
    run_turns();
    fcntl(pty.slave.get(), F_SETFL, O_RDWR | O_NONBLOCK);
    std::string received;
    char bytes[64];
    ssize_t count = 0;
    while ((count = read(pty.slave.get(), bytes, sizeof bytes)) > 0)
      received.append(bytes, static_cast<std::size_t>(count));
    CHECK(count == 0);
    CHECK(received == each.read_as);
    CHECK(read(pty.slave.get(), bytes, sizeof bytes) == -1);  // one end, not two
  }
}

TEST_CASE_FIXTURE(LoopFixture,
                  "input pipe: what is left says whether a line is open, also when all is typed") {
  Pty pty;
  REQUIRE(pty.open({}) == 0);
  InputPipe input(loop(), {[](std::size_t) {}, [] {}});
  input.open(pty.master.release(), true);
  input.write("a line\n");
  CHECK_FALSE(input.rest().is_within_a_line);
  input.write("a part");
  CHECK(input.rest().bytes.empty());
  CHECK(input.rest().is_within_a_line);
  CHECK_FALSE(input.rest().is_at_end);
  CHECK_FALSE(input.rest().tells_end);
}
