#include <doctest/doctest.h>
#include <uv.h>

#include <string>

#include "server/spawn_error.hpp"

using namespace runwire;

namespace {

constexpr JobWishes kNone{};
constexpr JobWishes kProgram{true, false};
constexpr JobWishes kCwd{false, true};

// What the message says behind the last "; ".
std::string next_step(const std::string& stage, int error, JobWishes wishes) {
  const std::string message = spawn_error({stage, error}, wishes).message;
  return message.substr(message.rfind("; ") + 2);
}

}  // namespace

TEST_CASE("spawn error: it has the stage, the errno's name, and says what it was about") {
  const ErrorReply error = spawn_error({"cwd", UV_ENOENT, "/no/such"}, kNone);
  CHECK(error.error == error_name::kSpawn);
  CHECK(error.stage == "cwd");
  CHECK(error.errno_name == "ENOENT");
  CHECK(error.message.starts_with(
      "the command could not be started: cwd: /no/such: no such file or directory; "));
  CHECK(spawn_error({"nice", UV_EACCES}, kNone)
            .message.starts_with("the command could not be started: nice: permission denied; "));
}

TEST_CASE("spawn error: a shortage that may pass is `busy`, whatever the stage") {
  for (const char* stage : {"fork", "pipe", "cwd", "exec"}) {
    CHECK(spawn_error({stage, UV_ENOMEM}, kProgram).error == error_name::kBusy);
    CHECK(next_step(stage, UV_EMFILE, kCwd) == "try again later, or lower --max-running");
  }
}

TEST_CASE("spawn error: the next step is the client's where it chose what failed, else runwired's") {
  CHECK(next_step("cwd", UV_ENOENT, kCwd) == "name a directory that is there");
  CHECK(next_step("cwd", UV_EACCES, kCwd) == "name a directory that runwired's user may enter");
  CHECK(next_step("cwd", UV_ENOENT, kProgram) ==
        "the working directory of runwired is gone, restart it elsewhere");
  CHECK(next_step("exec", UV_ENOENT, kProgram) == "check the program's name, and PATH there");
  CHECK(next_step("exec", UV_EACCES, kProgram) ==
        "make it executable for runwired's user, or name another program");
  CHECK(next_step("exec", UV_ENOENT, kCwd) == "see runwired's --shell");
}

TEST_CASE("spawn error: limits, niceness and scripts have next steps of their own") {
  CHECK(next_step("limit:nofile", UV_EPERM, kNone) == "ask for less, or give runwired a higher hard limit");
  CHECK(next_step("nice", UV_EACCES, kNone) == "ask for a niceness that is not below runwired's");
  CHECK(next_step("script", UV_ENOSPC, kNone) == "long commands need room in --spill-dir");
}
