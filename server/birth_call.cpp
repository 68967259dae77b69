#ifdef __linux__

#include "server/birth_call.hpp"

#include <unistd.h>
#include <uv.h>

#include <string>
#include <utility>
#include <vector>

#include "server/descriptor.hpp"
#include "server/direct_call.hpp"
#include "server/script.hpp"
#include "server/spawn_environment.hpp"
#include "server/spawn_program.hpp"

namespace runwire {
namespace {

char** point_to(std::vector<std::string>& words, std::vector<char*>& pointers) {
  pointers.clear();
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers.data();
}

// 0 or a libuv error.
int prepare_shell(const SpawnSpec& spec, Birth& birth) {
  auto call = shell_call(spec.shell, spec.command, spec.script_dir);
  if (!call) return uv_translate_sys_error(call.error().errno_value);
  birth.call = std::move(*call);
  birth.script = Descriptor(birth.call.script_fd);
  ChildStart& start = birth.start;
  start.is_program = false;
  start.argv = point_to(birth.call.argv, birth.argv);
  start.envp = environment_of(spec, environ, birth.environment);
  // What the shell would make of another environment than the daemon's is not known.
  const bool plans = spec.direct_calls != nullptr && spec.environment.empty() && !spec.clear_environment;
  birth.direct = plans ? spec.direct_calls->plan(spec.command) : DirectCall{};
  start.direct_paths = point_to(birth.direct.paths, birth.direct_paths);
  start.direct_argv = point_to(birth.direct.words, birth.direct_argv);
  if (plans)
    start.direct_envp = environment_of(spec, spec.direct_calls->environment(), birth.direct_environment);
  return 0;
}

void prepare_program(const SpawnSpec& spec, Birth& birth) {
  ChildStart& start = birth.start;
  start.envp = start.direct_envp = environment_of(spec, environ, birth.environment);
  ProgramSearch search = search_for(spec.argv.front(), start.envp);
  start.is_program = true;
  start.by_path = search.by_path;
  birth.direct = {std::move(search.paths), spec.argv};
  start.direct_paths = point_to(birth.direct.paths, birth.direct_paths);
  start.direct_argv = point_to(birth.direct.words, birth.direct_argv);
  birth.call = {{spec.shell}};
  birth.script = Descriptor();
  birth.argv = birth.direct_argv;
  birth.argv.insert(birth.argv.begin(), birth.call.argv.front().data());
  start.argv = birth.argv.data();
}

}  // namespace

SpawnFailure prepare_call(const SpawnSpec& spec, Birth& birth) {
  if (!spec.argv.empty())
    prepare_program(spec, birth);
  else if (const int error = prepare_shell(spec, birth); error != 0)
    return {"script", error, spec.script_dir};
  return {"", 0};
}

SpawnFailure failure_of(const Birth& birth) {
  if (birth.start.failed_stage == nullptr) return {"", 0};
  const std::string stage = birth.start.failed_stage;
  const std::vector<std::string>& words = birth.start.is_program ? birth.direct.words : birth.call.argv;
  const std::string path = stage == "cwd" ? birth.cwd : stage == "exec" ? words.front() : "";
  return {stage, uv_translate_sys_error(birth.start.failed_errno), path};
}

}  // namespace runwire

#endif
