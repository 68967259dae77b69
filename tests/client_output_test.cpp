#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "client/output.hpp"
#include "client/signals.hpp"
#include "client/unique_fd.hpp"

using namespace runwire;

namespace {

struct Pipe {
  Pipe() {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    read_end.reset(ends[0]);
    write_end.reset(ends[1]);
  }
  // Until it has no room left; the write end still blocks.
  void fill() const {
    ::fcntl(write_end.get(), F_SETFL, O_NONBLOCK);
    while (::write(write_end.get(), "x", 1) == 1) {
    }
    ::fcntl(write_end.get(), F_SETFL, 0);
  }
  std::string read(std::size_t size) const {
    std::string bytes(size, '\0');
    const ssize_t n = ::read(read_end.get(), bytes.data(), size);
    REQUIRE(n >= 0);
    bytes.resize(static_cast<std::size_t>(n));
    return bytes;
  }

  UniqueFd read_end, write_end;
};

}  // namespace

TEST_CASE("output: every byte goes out, with and without an eye on the interrupt") {
  auto interrupt = Signals::install({SIGINT});
  REQUIRE(interrupt.ok());
  const std::string bytes(60000, 'y');  // more than one piece, less than a pipe holds
  for (const int interrupt_fd : {-1, interrupt->fd()}) {
    const Pipe pipe;
    CHECK(write_fully(pipe.write_end.get(), bytes, "stdout", interrupt_fd).ok());
    CHECK((pipe.read(100000) == bytes));
  }
}

TEST_CASE("output: an interrupt ends the wait for a reader that stands still") {
  auto interrupt = Signals::install({SIGINT});
  REQUIRE(interrupt.ok());
  const Pipe pipe;
  pipe.fill();
  ::raise(SIGINT);
  const auto written = write_fully(pipe.write_end.get(), "lost", "stdout", interrupt->fd());
  REQUIRE(!written.ok());
  CHECK(written.error().code == Errc::closed);
  CHECK(interrupt->take());
}

TEST_CASE("output: an interrupt is heard although there is room for every piece") {
  auto interrupt = Signals::install({SIGINT});
  REQUIRE(interrupt.ok());
  const UniqueFd null(::open("/dev/null", O_WRONLY));
  ::raise(SIGINT);
  CHECK_FALSE(write_fully(null.get(), "lost", "stdout", interrupt->fd()).ok());
}

TEST_CASE("output: what cannot be written is an error with its cause, also under an eye on the interrupt") {
  auto interrupt = Signals::install({SIGINT});
  REQUIRE(interrupt.ok());
  Pipe pipe;
  pipe.write_end.reset();
  const auto written = write_fully(pipe.read_end.get(), "x", "stdout", interrupt->fd());
  REQUIRE(!written.ok());
  CHECK(written.error().code == Errc::io);
  CHECK(written.error().message == "stdout: Bad file descriptor");
}
