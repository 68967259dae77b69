#include <sys/un.h>

#include <cstring>
#include <optional>

#include "server/descriptor.hpp"
#include "server/socket_file.hpp"
#include "tests/loop_fixture.hpp"
#include "tests/scratch_dir.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

std::optional<struct stat> facts_of(const std::string& path) {
  struct stat facts {};
  if (lstat(path.c_str(), &facts) != 0) return std::nullopt;
  return facts;
}

mode_t mode_of(const std::string& path) {
  const auto facts = facts_of(path);
  REQUIRE(facts.has_value());
  return facts->st_mode & 07777;
}

bool can_connect(const std::string& path) {
  const Descriptor fd(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

// A socket at `path` that nobody listens to any more.
void leave_dead_socket(const std::string& path) {
  const Descriptor fd(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  REQUIRE(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
}

// What the refusal says; nothing may have changed its descriptors.
std::string refusal(const std::string& path) {
  const auto before = open_descriptors();
  std::string message;
  {
    const auto file = SocketFile::listen(path, 1);
    REQUIRE(!file.ok());
    CHECK(file.error().code == Errc::io);
    message = file.error().message;
  }
  CHECK(open_descriptors() == before);
  CHECK(message.find("name another place with --listen unix:/path") != std::string::npos);
  return message;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

}  // namespace

TEST_CASE("socket file: listens at its path, and takes the path away when it dies") {
  const ScratchDir dir;
  {
    const auto file = SocketFile::listen(dir.path("s"), 1);
    REQUIRE(file.ok());
    CHECK(can_connect(dir.path("s")));
  }
  CHECK(dir.is_empty());
}

TEST_CASE("socket file: is 0600 from birth, whatever the umask, and leaves the umask alone") {
  const ScratchDir dir;
  const mode_t before = umask(0);
  {
    const auto file = SocketFile::listen(dir.path("s"), 1);
    REQUIRE(file.ok());
    CHECK(mode_of(dir.path("s")) == 0600);
  }
  CHECK(umask(before) == 0);
}

TEST_CASE("socket file: the descriptor does not block, is not passed on, and is the receiver's") {
  const ScratchDir dir;
  auto file = SocketFile::listen(dir.path("s"), 1);
  REQUIRE(file.ok());
  const Descriptor fd(file->release_descriptor());
  CHECK((fcntl(fd.get(), F_GETFL) & O_NONBLOCK) != 0);
  CHECK((fcntl(fd.get(), F_GETFD) & FD_CLOEXEC) != 0);
  CHECK(file->release_descriptor() == -1);
}

TEST_CASE("socket file: replaces a socket of its own user's that is dead") {
  const ScratchDir dir;
  leave_dead_socket(dir.path("s"));
  REQUIRE_FALSE(can_connect(dir.path("s")));
  const auto file = SocketFile::listen(dir.path("s"), 1);
  REQUIRE(file.ok());
  CHECK(can_connect(dir.path("s")));
}

TEST_CASE("socket file: a socket to which somebody listens is not touched") {
  const ScratchDir dir;
  const auto first = SocketFile::listen(dir.path("s"), 4);
  REQUIRE(first.ok());
  CHECK(contains(refusal(dir.path("s")), "another runwired listens there already"));
  CHECK(can_connect(dir.path("s")));
}

TEST_CASE("socket file: one that somebody is too busy to accept from counts as alive") {
  const ScratchDir dir;
  const auto first = SocketFile::listen(dir.path("s"), 0);
  REQUIRE(first.ok());
  CHECK(can_connect(dir.path("s")));  // and waits for ever: the queue is full
  CHECK(contains(refusal(dir.path("s")), "another runwired listens there already"));
}

TEST_CASE("socket file: what is no socket is not touched: a file, a directory, a link") {
  const ScratchDir dir;
  close(open(dir.path("file").c_str(), O_CREAT | O_WRONLY, 0644));
  mkdir(dir.path("dir").c_str(), 0755);
  leave_dead_socket(dir.path("dead"));
  REQUIRE(symlink(dir.path("dead").c_str(), dir.path("link").c_str()) == 0);
  REQUIRE(symlink(dir.path("nowhere").c_str(), dir.path("dangling").c_str()) == 0);
  for (const char* name : {"file", "dir", "link", "dangling"}) {
    CAPTURE(name);
    CHECK(contains(refusal(dir.path(name)), "something that is no socket stands there"));
    CHECK(facts_of(dir.path(name)).has_value());
  }
  CHECK(facts_of(dir.path("dead")).has_value());
  CHECK_FALSE(facts_of(dir.path("nowhere")).has_value());
}

TEST_CASE("socket file: a directory that others can write to is refused, unless it is sticky") {
  const ScratchDir dir;
  const std::string open_dir = dir.path("open");
  mkdir(open_dir.c_str(), 0700);
  for (const mode_t mode : {mode_t{0777}, mode_t{0770}, mode_t{0702}}) {
    chmod(open_dir.c_str(), mode);
    CHECK(contains(refusal(open_dir + "/s"), "others can write to it"));
  }
  chmod(open_dir.c_str(), 01777);
  CHECK(SocketFile::listen(open_dir + "/s", 1).ok());
}

TEST_CASE("socket file: a directory that is not there, or none, is named") {
  const ScratchDir dir;
  CHECK(contains(refusal(dir.path("gone") + "/s"), dir.path("gone") + ": No such file or directory"));
  close(open(dir.path("file").c_str(), O_CREAT | O_WRONLY, 0644));
  CHECK(contains(refusal(dir.path("file") + "/s"), "is not a directory"));
}

TEST_CASE("socket file: what belongs to another user is refused" * doctest::skip(geteuid() != 0)) {
  const ScratchDir dir;
  const std::string foreign = dir.path("foreign");
  mkdir(foreign.c_str(), 0755);
  REQUIRE(chown(foreign.c_str(), 65534, 65534) == 0);
  CHECK(contains(refusal(foreign + "/s"), "belongs to another user"));
  leave_dead_socket(dir.path("s"));
  REQUIRE(chown(dir.path("s").c_str(), 65534, 65534) == 0);
  CHECK(contains(refusal(dir.path("s")), "a socket of another user stands there"));
}

TEST_CASE("socket file: a path longer than a socket's may be is refused with the limit, never cut") {
  const ScratchDir dir;
  const std::size_t limit = sizeof(sockaddr_un::sun_path) - 1;
  const std::string longest = dir.path(std::string(limit - dir.path("").size(), 'x'));
  REQUIRE(longest.size() == limit);
  CHECK(SocketFile::listen(longest, 1).ok());
  CHECK(contains(refusal(longest + "x"), std::to_string(limit) + " bytes"));
  CHECK(dir.is_empty());
}

TEST_CASE("socket file: the path of somebody else who has taken its place stays") {
  const ScratchDir dir;
  {
    const auto file = SocketFile::listen(dir.path("s"), 1);
    REQUIRE(file.ok());
    REQUIRE(rename(dir.path("s").c_str(), dir.path("moved").c_str()) == 0);
    leave_dead_socket(dir.path("s"));
  }
  CHECK(facts_of(dir.path("s")).has_value());
  CHECK(facts_of(dir.path("moved")).has_value());
}

TEST_CASE("socket file: one that was moved from takes nothing away") {
  const ScratchDir dir;
  auto first = SocketFile::listen(dir.path("s"), 1);
  REQUIRE(first.ok());
  const SocketFile second(std::move(*first));
  { const SocketFile gone(std::move(*first)); }
  CHECK(can_connect(dir.path("s")));
}

TEST_CASE("private directory: is made with mode 0700, and taken again when it is there") {
  const ScratchDir dir;
  const mode_t before = umask(0);
  CHECK(make_private_dir(dir.path("own")).ok());
  umask(before);
  CHECK(mode_of(dir.path("own")) == 0700);
  CHECK(make_private_dir(dir.path("own")).ok());
}

TEST_CASE("private directory: a link, a file, and one that is open to others are refused") {
  const ScratchDir dir;
  mkdir(dir.path("real").c_str(), 0700);
  REQUIRE(symlink(dir.path("real").c_str(), dir.path("link").c_str()) == 0);
  close(open(dir.path("file").c_str(), O_CREAT | O_WRONLY, 0600));
  mkdir(dir.path("wide").c_str(), 0700);
  chmod(dir.path("wide").c_str(), 0750);
  CHECK(contains(make_private_dir(dir.path("link")).error().message, "is not a directory"));
  CHECK(contains(make_private_dir(dir.path("file")).error().message, "is not a directory"));
  CHECK(contains(make_private_dir(dir.path("wide")).error().message, "chmod it to 0700"));
  CHECK_FALSE(make_private_dir(dir.path("no/such")).ok());
}

TEST_CASE("private directory: another user's is refused" * doctest::skip(geteuid() != 0)) {
  const ScratchDir dir;
  mkdir(dir.path("foreign").c_str(), 0700);
  REQUIRE(chown(dir.path("foreign").c_str(), 65534, 65534) == 0);
  CHECK(contains(make_private_dir(dir.path("foreign")).error().message, "belongs to another user"));
}
