#include "server/spawn_error.hpp"

#include <uv.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "server/log.hpp"

namespace runwire {
namespace {

constexpr std::size_t kShownBytes = 256;  // of a path: it may have a MiB, which no header has room for

std::string shown(std::string_view path) {
  return log::escape(path.substr(0, kShownBytes)) + (path.size() > kShownBytes ? "..." : "");
}

std::string_view next_step(const SpawnFailure& failure, JobWishes wishes) {
  const bool is_forbidden = failure.error == UV_EACCES;
  if (failure.is_transient()) return "try again later, or lower --max-running";
  if (failure.stage == "cwd" && wishes.has_cwd)
    return is_forbidden ? "name a directory that runwired's user may enter"
                        : "name a directory that is there";
  if (failure.stage == "cwd") return "the working directory of runwired is gone, restart it elsewhere";
  if (failure.stage.starts_with("limit:")) return "ask for less, or give runwired a higher hard limit";
  if (failure.stage == "nice") return "ask for a niceness that is not below runwired's";
  if (failure.stage == "exec" && wishes.has_program)
    return is_forbidden ? "make it executable for runwired's user, or name another program"
                        : "check the program's name, and PATH there";
  if (failure.stage == "script") return "long commands need room in --spill-dir";
  return "see runwired's --shell";
}

std::string describe(const SpawnFailure& failure, JobWishes wishes) {
  std::string text = "the command could not be started: " + failure.stage + ": ";
  if (!failure.path.empty()) text += shown(failure.path) + ": ";
  return text.append(uv_strerror(failure.error)).append("; ").append(next_step(failure, wishes));
}

}  // namespace

ErrorReply spawn_error(const SpawnFailure& failure, JobWishes wishes) {
  ErrorReply reply =
      error_reply(failure.is_transient() ? error_name::kBusy : error_name::kSpawn, describe(failure, wishes));
  reply.stage = failure.stage;
  reply.errno_name = uv_err_name(failure.error);
  return reply;
}

}  // namespace runwire
