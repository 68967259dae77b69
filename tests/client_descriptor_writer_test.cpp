#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <string>

#include "client/descriptor_writer.hpp"
#include "client/unique_fd.hpp"

using namespace runwire;

namespace {

struct Ends {
  UniqueFd reader, writer;
};

Ends pipe_ends() {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Ends socket_ends() {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

std::string read_some(int fd) {
  std::string bytes(1 << 20, '\0');
  const ssize_t n = ::read(fd, bytes.data(), bytes.size());
  REQUIRE(n >= 0);
  bytes.resize(static_cast<std::size_t>(n));
  return bytes;
}

void for_every_kind(const std::function<void(Ends)>& check) {
  for (const bool non_blocking : {false, true})
    for (auto* make : {pipe_ends, socket_ends}) {
      CAPTURE(non_blocking);
      Ends ends = make();
      if (non_blocking) ::fcntl(ends.writer.get(), F_SETFL, O_NONBLOCK);
      check(std::move(ends));
    }
}

}  // namespace

TEST_CASE("descriptor writer: what is taken at once does not wait") {
  for_every_kind([](const Ends& ends) {
    DescriptorWriter writer(ends.writer.get(), "stdout");
    REQUIRE(writer.write("abc").ok());
    CHECK(writer.waiting() == 0);
    CHECK(writer.events() == 0);
    CHECK(read_some(ends.reader.get()) == "abc");
  });
}

TEST_CASE("descriptor writer: a reader that stands still holds up nothing and gets everything in order") {
  for_every_kind([](const Ends& ends) {
    const int flags = ::fcntl(ends.writer.get(), F_GETFL);
    DescriptorWriter writer(ends.writer.get(), "stdout");
    std::string sent, received;
    for (char c = 'a'; c <= 'z'; ++c) {
      sent += std::string(100000, c);
      REQUIRE(writer.write(std::string(100000, c)).ok());
    }
    CHECK(writer.waiting() > 0);
    CHECK(writer.events() == POLLOUT);
    while (received.size() < sent.size()) {
      received += read_some(ends.reader.get());
      REQUIRE(writer.flush().ok());
    }
    CHECK((received == sent));
    CHECK(writer.waiting() == 0);
    CHECK(::fcntl(ends.writer.get(), F_GETFL) == flags);
  });
}

TEST_CASE("descriptor writer: a reader that has gone is told apart, and nothing waits for it") {
  std::signal(SIGPIPE, SIG_IGN);
  for_every_kind([](Ends ends) {
    DescriptorWriter writer(ends.writer.get(), "stdout");
    REQUIRE(writer.write(std::string(2000000, 'x')).ok());
    ends.reader.reset();
    const auto written = writer.flush();
    REQUIRE(!written.ok());
    CHECK(written.error().code == Errc::closed);
    CHECK(writer.waiting() == 0);
  });
}

TEST_CASE("descriptor writer: a full disk is an error that names it") {
  const UniqueFd full(::open("/dev/full", O_WRONLY));
  if (!full) return;  // Linux has it
  DescriptorWriter writer(full.get(), "stdout");
  const auto written = writer.write("x");
  REQUIRE(!written.ok());
  CHECK(written.error().code == Errc::io);
  CHECK(written.error().message.find("stdout: No space left on device; ") == 0);
}

TEST_CASE("descriptor writer: a file takes everything at once") {
  char path[] = "/tmp/runwire-test-XXXXXX";
  const UniqueFd file(::mkstemp(path));
  REQUIRE(file);
  ::unlink(path);
  DescriptorWriter writer(file.get(), "stdout");
  REQUIRE(writer.write(std::string(5000000, 'x')).ok());
  CHECK(writer.waiting() == 0);
  CHECK(::lseek(file.get(), 0, SEEK_END) == 5000000);
}

TEST_CASE("shared descriptor: a read takes what is there, and does not wait for more") {
  for (auto* make : {pipe_ends, socket_ends}) {
    Ends ends = make();
    SharedDescriptor descriptor(ends.reader.get());
    char buffer[16];
    CHECK(descriptor.read_now(buffer, sizeof buffer).error == EAGAIN);
    REQUIRE(::write(ends.writer.get(), "abc", 3) == 3);
    CHECK(descriptor.read_now(buffer, 2).bytes == 2);
    CHECK(descriptor.read_now(buffer, 2).bytes == 1);
    ends.writer.reset();
    const auto end = descriptor.read_now(buffer, sizeof buffer);
    CHECK(end.bytes == 0);
    CHECK(end.error == 0);
  }
}

TEST_CASE("shared descriptor: one that cannot be used tells why") {
  SharedDescriptor closed(-1);
  char byte = 0;
  CHECK(closed.read_now(&byte, 1).error == EBADF);
  CHECK(closed.write_now("x").error == EBADF);
}
