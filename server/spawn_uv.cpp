#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <utility>
#include <vector>

#include "server/child_settings.hpp"
#include "server/child_stdio.hpp"
#include "server/descriptor.hpp"
#include "server/exec_shim.hpp"
#include "server/script.hpp"
#include "server/spawn.hpp"
#include "server/spawn_environment.hpp"
#include "server/spawn_program.hpp"
#include "server/uv_handle.hpp"

namespace runwire {

// Closing a live uv_process_t would leave a zombie for ever, so a child that lives is killed here and its
// handle is closed by on_child_exit, after libuv has reaped it. REQUIRES: uv_spawn() was called on it.
template <> struct Closer<uv_process_t> {
  void operator()(uv_process_t* child) const noexcept {
    child->data = nullptr;
    if (uv_is_active(as_handle(child)) != 0)
      uv_kill(-child->pid, SIGKILL);  // it leads a group
    else
      close_and_free(child);
  }
};

namespace {

class UvChild : public Child {
 public:
  explicit UvChild(ChildEvents& events) : events_(events) {}

  // Before start(): there is a shim, which tells here why it could not become `program`.
  void expect_report(Descriptor report, std::string program) {
    report_ = std::move(report);
    program_ = std::move(program);
  }

  int start(uv_loop_t* loop, uv_process_options_t& options) {
    started_ms_ = uv_hrtime() / 1e6;
    auto* process = new uv_process_t{};
    options.exit_cb = on_child_exit;
    const int error = uv_spawn(loop, process, &options);
    process->data = error == 0 ? this : nullptr;
    process_.reset(process);  // to be closed even where the spawn has failed
    return error;
  }
  pid_t pid() const { return process_->pid; }

 private:
  static void on_child_exit(uv_process_t* process, std::int64_t code, int signal) {
    if (process->data == nullptr) return close_and_free(process);
    static_cast<UvChild*>(process->data)->exited(static_cast<int>(code), signal);
  }

  void exited(int code, int signal) {
    if (report_.get() >= 0)
      if (auto failure = read_shim_report(report_.get())) return fail(std::move(*failure));
    Usage usage;
    usage.wall_ms = uv_hrtime() / 1e6 - started_ms_;
    events_.child_exited({signal != 0 ? ExitStatus::killed(signal) : ExitStatus::exited(code), {}, usage});
  }

  void fail(SpawnFailure failure) {
    if (failure.stage == "exec") failure.path = program_;
    events_.child_failed(failure);
  }

  ChildEvents& events_;
  Handle<uv_process_t> process_;
  Descriptor report_;
  std::string program_;
  double started_ms_ = 0;
};

uv_stdio_container_t inherit(int fd) {
  uv_stdio_container_t stdio{};
  stdio.flags = fd < 0 ? UV_IGNORE : UV_INHERIT_FD;
  stdio.data.fd = fd;
  return stdio;
}

struct Program {
  std::vector<std::string> words;
  std::string path;  // empty: the first word
  Descriptor script;
  Descriptor report;  // the shim's
};

class UvSpawner : public Spawner {
 public:
  UvSpawner(uv_loop_t* loop, std::string shim)
      : loop_(loop), shim_(std::move(shim)), null_(open("/dev/null", O_RDONLY | O_CLOEXEC)) {}

  std::unique_ptr<Child> spawn(const SpawnSpec& spec, ChildEvents& events) override {
    auto child = std::make_unique<UvChild>(events);
    SpawnFailure failure = start(spec, *child, events);
    if (failure.error == 0) return child;
    events.child_failed(failure);
    return nullptr;
  }

 private:
  SpawnFailure start(const SpawnSpec& spec, UvChild& child, ChildEvents& events) {
    // uv_spawn() says ENOENT for a missing directory and for a missing program alike.
    if (const int error = chdir_error(spec.cwd); error != 0) return {"cwd", error, spec.cwd};
    EnvironmentRoom room;
    char* const* environment = environment_of(spec, environ, room);
    Program program;
    if (!spec.argv.empty()) {
      if (const int error = find(spec, environment, program); error != 0)
        return {"exec", error, spec.argv.front()};
    } else if (const int error = take_shell(spec, program); error != 0) {
      return {"script", error, spec.script_dir};
    }
    ChildStdio stdio;
    if (const SpawnFailure failure = stdio.open(spec); failure.error != 0) return failure;
    const std::string& named = spec.argv.empty() ? spec.shell : spec.argv.front();
    if (const int error = take_shim(spec, named, program, child); error != 0) return {"pipe", error};
    const int error = exec(spec, program, environment, stdio, child);
    if (error != 0 && SpawnFailure{"", error}.is_transient()) return {"fork", error};
    if (error != 0) return {"exec", error, named};
    events.child_started(child.pid(), stdio.take_ours());
    return {"", 0};
  }

  // 0 or a libuv error.
  static int take_shell(const SpawnSpec& spec, Program& program) {
    auto call = shell_call(spec.shell, spec.command, spec.script_dir);
    if (!call) return uv_translate_sys_error(call.error().errno_value);
    program.words = std::move(call->argv);
    program.script = Descriptor(call->script_fd);
    return 0;
  }

  // The same. libuv would search PATH as the system's execvp() does, and that would take a shell of its own for a
  // script.
  static int find(const SpawnSpec& spec, char* const* environment, Program& program) {
    FoundProgram found = find_program(search_for(spec.argv.front(), environment), spec.cwd);
    if (found.error != 0) return uv_translate_sys_error(found.error);
    program.words = spec.argv;
    if (found.is_script) {
      program.words.front() = std::move(found.path);
      program.words.insert(program.words.begin(), spec.shell);
    } else {
      program.path = std::move(found.path);
    }
    return 0;
  }

  // Puts the shim in the place of the program, where the child is to set something. The same.
  int take_shim(const SpawnSpec& spec, const std::string& named, Program& program, UvChild& child) const {
    ChildSettings settings = settings_for(spec.limits, spec.caps);
    settings.takes_terminal = spec.terminal.has_value();
    if (!settings.is_any()) return 0;
    Pipe report;
    if (const int error = report.open_from_child(); error != 0) return error;
    program.words =
        shim_call(settings, program.path.empty() ? program.words.front() : program.path, program.words);
    program.path = shim_;
    program.report = std::move(report.write_end);
    child.expect_report(std::move(report.read_end), named);
    return 0;
  }

  int exec(const SpawnSpec& spec, const Program& program, char* const* environment, const ChildStdio& ends,
           UvChild& child) {
    std::vector<char*> argv;
    for (const std::string& word : program.words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    const int in = ends.of_child(STDIN_FILENO);
    uv_stdio_container_t stdio[] = {inherit(in < 0 ? null_.get() : in), inherit(ends.of_child(STDOUT_FILENO)),
                                    inherit(ends.of_child(STDERR_FILENO)), inherit(program.script.get()),
                                    inherit(program.report.get())};
    uv_process_options_t options{};
    options.file = program.path.empty() ? argv[0] : program.path.c_str();
    options.args = argv.data();
    options.env = const_cast<char**>(environment);
    options.cwd = spec.cwd.c_str();
    options.flags = UV_PROCESS_DETACHED;  // setsid(2)
    options.stdio = stdio;
    options.stdio_count = program.report.get() >= 0   ? kShimReportFd + 1
                          : program.script.get() >= 0 ? kScriptFd + 1
                                                      : kScriptFd;
    return child.start(loop_, options);
  }

  static int chdir_error(const std::string& cwd) {
    struct stat found {};
    if (stat(cwd.c_str(), &found) != 0) return uv_translate_sys_error(errno);
    if (!S_ISDIR(found.st_mode)) return UV_ENOTDIR;
    return faccessat(AT_FDCWD, cwd.c_str(), X_OK, AT_EACCESS) == 0 ? 0 : uv_translate_sys_error(errno);
  }

  uv_loop_t* loop_;
  const std::string shim_;
  Descriptor null_;
};

}  // namespace

bool SpawnFailure::is_transient() const {
  return error == UV_EAGAIN || error == UV_ENOMEM || error == UV_EMFILE || error == UV_ENFILE;
}

std::unique_ptr<Child> Spawner::adopt(pid_t, double, ChildEvents&) { return nullptr; }

std::unique_ptr<Spawner> make_uv_spawner(uv_loop_t* loop, std::string shim) {
  return std::make_unique<UvSpawner>(loop, std::move(shim));
}

}  // namespace runwire
