#include <sys/resource.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "server/script.hpp"
#include "tests/loop_fixture.hpp"
#include "tests/scratch_dir.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

using Words = std::vector<std::string>;

ShellCall call_of(const std::string& command, const std::string& dir = "/nowhere") {
  auto call = shell_call("/bin/sh", command, dir);
  REQUIRE(call.ok());
  return *call;
}

}  // namespace

TEST_CASE("script: a command is the shell's argument, byte for byte") {
  const std::string command = "echo '\xff\n' \"$x\"; exit 3";
  CHECK(call_of(command).argv == Words{"/bin/sh", "-c", command});
  CHECK(call_of(command).script_fd == -1);
}

TEST_CASE("script: an empty command is one, too") { CHECK(call_of("").argv == Words{"/bin/sh", "-c", ""}); }

TEST_CASE("script: a command that looks like an option is not taken for one") {
  CHECK(call_of("-x").argv == Words{"/bin/sh", "-c", "--", "-x"});
  CHECK(call_of("+x").argv == Words{"/bin/sh", "-c", "--", "+x"});
}

TEST_CASE("script: a command too long for an argument goes into a file without a name, whole") {
  const ScratchDir dir;
  const std::string fits(kMaxArgumentBytes - 1, 'x');
  CHECK(call_of(fits).script_fd == -1);
  const std::string command = "#" + std::string(kMaxArgumentBytes, 'y') + "\nexit 3";
  const ShellCall call = call_of(command, dir.path());
  REQUIRE(call.script_fd >= 0);
  CHECK(call.argv.size() == 3);
  CHECK(call.argv[2].size() < 100);
  CHECK(dir.is_empty());
  CHECK((fcntl(call.script_fd, F_GETFD) & FD_CLOEXEC) != 0);
  std::string found(command.size() + 1, '\0');
  CHECK(read(call.script_fd, found.data(), found.size()) == static_cast<ssize_t>(command.size()));
  found.resize(command.size());
  CHECK((found == command));
  close(call.script_fd);
}

TEST_CASE("script: a directory that cannot take the file is named") {
  const auto call = shell_call("/bin/sh", std::string(kMaxArgumentBytes, 'x'), "/no/such/dir");
  REQUIRE(!call.ok());
  CHECK(call.error().code == Errc::io);
  CHECK(call.error().message.find("/no/such/dir: No such file or directory") != std::string::npos);
  CHECK(call.error().errno_value == ENOENT);
}

TEST_CASE("script: a file that cannot take the whole command is an error with its cause, and is closed") {
  const ScratchDir dir;
  const auto open_before = open_descriptors();
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handled = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit little{4096, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &little);
  const auto call = shell_call("/bin/sh", std::string(kMaxArgumentBytes, 'x'), dir.path());
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handled);
  REQUIRE(!call.ok());
  CHECK(call.error().errno_value == EFBIG);
  CHECK(call.error().message.ends_with(dir.path() + ": File too large"));
  CHECK(open_descriptors() == open_before);
}
