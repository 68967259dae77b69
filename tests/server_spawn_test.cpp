#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>

#include "server/descriptor.hpp"
#include "server/process_group.hpp"
#include "server/process_table.hpp"
#include "server/script.hpp"
#include "server/spawn.hpp"
#include "tests/forked_child.hpp"
#include "tests/job_fixture.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

// Notes what happens to one child, and reads what it writes.
struct Watched final : ChildEvents {
  ~Watched() override {
    for (const int fd : fds)
      if (fd >= 0) close(fd);
    close_stdin();
  }
  void child_started(pid_t started, ChildStreams streams) override {
    pid = started;
    in = streams.in;
    fds = {streams.out, streams.err};
  }
  void child_failed(const SpawnFailure& why) override { failure = why; }
  void child_exited(const ChildEnd& end) override {
    status = end.status;
    usage = end.usage;
  }
  bool is_over() const { return failure.has_value() || status.has_value(); }
  std::string text(std::size_t stream) const {
    std::string all;
    std::array<char, 4096> bytes{};
    for (ssize_t n; (n = read(fds.at(stream), bytes.data(), bytes.size())) > 0;)
      all.append(bytes.data(), static_cast<std::size_t>(n));
    return all;
  }

  void write_stdin(std::string_view bytes) const {
    REQUIRE(write(in, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  void close_stdin() {
    if (in >= 0) close(in);
    in = -1;
  }

  std::optional<pid_t> pid;
  int in = -1;
  std::array<int, 2> fds = {-1, -1};
  std::optional<SpawnFailure> failure;
  std::optional<ExitStatus> status;
  Usage usage;
};

class SpawnFixture : public StoreFixture {
 public:
  ~SpawnFixture() {
    child.reset();
    finish_work();
    CHECK(run_until([] { return !has_child(); }));
  }

  void start(const SpawnSpec& how) {
    child.reset();
    watched = std::make_unique<Watched>();
    child = spawner->spawn(how, *watched);
  }
  Watched& run(const SpawnSpec& how) {
    start(how);
    REQUIRE(run_until([&] { return watched->is_over(); }));
    return *watched;
  }
  std::string output_of(const SpawnSpec& how) {
    const Watched& ended = run(how);
    REQUIRE(ended.status.has_value());
    return ended.text(0);
  }
  std::string output_of(const std::string& command) { return output_of(spec(command)); }

  SpawnSpec program(std::vector<std::string> argv) const {
    SpawnSpec how = spec("");
    how.argv = std::move(argv);
    return how;
  }
  SpawnSpec with_environment(SpawnSpec how, std::vector<std::string> environment) const {
    how.environment = std::move(environment);
    return how;
  }
  std::string make_file(const std::string& name, const std::string& text, mode_t mode) const {
    const std::string path = dir.path(name);
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    const Descriptor file(open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, mode));
    REQUIRE(write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    return path;
  }
  // The whole failure of what cannot be run: its stage, errno and what it was about.
  std::string failure_of(const SpawnSpec& how) {
    const Watched& ended = run(how);
    REQUIRE(ended.failure.has_value());
    return ended.failure->stage + " " + uv_err_name(ended.failure->error) + " " + ended.failure->path;
  }
  std::string failed_stage(const SpawnSpec& how, int error) {
    const Watched& ended = run(how);
    REQUIRE(ended.failure.has_value());
    CHECK(ended.failure->error == error);
    return ended.failure->stage;
  }

  std::unique_ptr<Spawner> spawner;
  std::unique_ptr<Watched> watched;  // outlives the child
  std::unique_ptr<Child> child;
};

struct OverUv : SpawnFixture {
  static constexpr int kFailures = 100;  // each a fork, which a sanitizer makes slow
  OverUv() { spawner = make_uv_spawner(loop(), RUNWIRE_RUNWIRED); }
};
struct Native : SpawnFixture {
  static constexpr int kFailures = 1000;
  Native() { spawner = make_best_spawner(loop()); }
};

}  // namespace

TYPE_TO_STRING(OverUv);
TYPE_TO_STRING(Native);

// Every spawner gives a child the same start and the same end.

TEST_CASE_TEMPLATE("spawn: runs the command with the shell, in the directory", Fixture, OverUv, Native) {
  Fixture test;
  CHECK(test.output_of("pwd -P; echo \"$0\"") == test.dir.path() + "\n/bin/sh\n");
}

TEST_CASE_TEMPLATE("spawn: exit codes and signals come back exactly", Fixture, OverUv, Native) {
  Fixture test;
  for (const int code : {0, 1, 126, 127, 128, 255}) {
    CAPTURE(code);
    CHECK(test.run(test.spec("exit " + std::to_string(code))).status == ExitStatus::exited(code));
  }
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGSEGV, SIGPIPE, SIGTERM, SIGUSR1}) {
    CAPTURE(signal);
    CHECK(test.run(test.spec("kill -" + std::to_string(signal) + " $$")).status ==
          ExitStatus::killed(signal));
  }
}

TEST_CASE_TEMPLATE("spawn: a child leads a session and a group of its own", Fixture, OverUv, Native) {
  Fixture test;
  std::istringstream ids(test.output_of("ps -o pid=,pgid=,sid= -p $$"));
  pid_t pid = 0, group = 0, session = 0;
  ids >> pid >> group >> session;
  CHECK(pid == test.watched->pid);
  CHECK(group == pid);
  CHECK(session == pid);
}

TEST_CASE_TEMPLATE("spawn: a child has descriptors 0, 1, 2 and no other", Fixture, OverUv, Native) {
  Fixture test;
  CHECK(test.output_of("for fd in 0 1 2 3 4 5 6 7 8 9; do (: <&$fd) 2>/dev/null && echo $fd; done") ==
        "0\n1\n2\n");
}

TEST_CASE_TEMPLATE("spawn: stdin is empty, stdout and stderr are pipes that can be opened again", Fixture,
                   OverUv, Native) {
  Fixture test;
  CHECK(test.output_of(
            "cat; test -p /dev/stdout && test -p /dev/stderr && echo pipes; echo again >/dev/stdout") ==
        "pipes\nagain\n");
}

TEST_CASE_TEMPLATE("spawn: our ends do not block and are not passed on", Fixture, OverUv, Native) {
  Fixture test;
  test.run(test.spec("true"));
  for (const int fd : test.watched->fds) {
    CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  }
}

TEST_CASE_TEMPLATE("spawn: no signal is blocked or ignored in a child, whatever the daemon does", Fixture,
                   OverUv, Native) {
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR2);
  Fixture test;  // which ignores SIGPIPE
  sigprocmask(SIG_BLOCK, &blocked, &before);
  CHECK(test.run(test.spec("kill -PIPE $$; echo survived")).status == ExitStatus::killed(SIGPIPE));
  CHECK(test.run(test.spec("kill -USR2 $$; echo survived")).status == ExitStatus::killed(SIGUSR2));
  sigprocmask(SIG_SETMASK, &before, nullptr);
}

TEST_CASE_TEMPLATE("spawn: a command of 1 MiB is run whole, and its commands see no script", Fixture, OverUv,
                   Native) {
  Fixture test;
  std::string command =
      "x=" + std::string((1 << 20) - 100, 'a') + "; echo ${#x}; (: <&3) 2>/dev/null || echo clean";
  CHECK(test.output_of(command) == std::to_string((1 << 20) - 100) + "\nclean\n");
  CHECK(test.dir.is_empty());
}

TEST_CASE_TEMPLATE("spawn: a missing shell fails at exec", Fixture, OverUv, Native) {
  Fixture test;
  CHECK(test.failed_stage({"/no/such/shell", "true", test.dir.path(), test.dir.path()}, UV_ENOENT) == "exec");
}

TEST_CASE_TEMPLATE("spawn: a shell that may not be executed fails at exec", Fixture, OverUv, Native) {
  Fixture test;
  const std::string shell = test.dir.path("shell");
  close(open(shell.c_str(), O_CREAT | O_WRONLY, 0644));
  CHECK(test.failed_stage({shell, "true", test.dir.path(), test.dir.path()}, UV_EACCES) == "exec");
}

TEST_CASE_TEMPLATE("spawn: a missing working directory is told apart from a missing shell", Fixture, OverUv,
                   Native) {
  Fixture test;
  CHECK(test.failed_stage({"/bin/sh", "true", "/no/such/dir", test.dir.path()}, UV_ENOENT) == "cwd");
  CHECK(test.failed_stage({"/bin/sh", "true", "/dev/null", test.dir.path()}, UV_ENOTDIR) == "cwd");
}

TEST_CASE_TEMPLATE("spawn: a long command without a place for it fails as script", Fixture, OverUv, Native) {
  Fixture test;
  CHECK(test.failed_stage({"/bin/sh", std::string(kMaxArgumentBytes, ' '), "/", "/no/such/dir"}, UV_ENOENT) ==
        "script");
}

TEST_CASE_TEMPLATE("spawn: failures by the hundred leave no descriptor and no child", Fixture, OverUv,
                   Native) {
  Fixture test;  // whose end checks for both
  const SpawnSpec wrong[] = {{"/no/such/shell", "true", "/", "/tmp"},
                             {"/bin/sh", "true", "/no/such/dir", "/tmp"},
                             {"/no/such/shell", std::string(kMaxArgumentBytes, ' '), "/", "/tmp"},
                             {"/bin/sh", std::string(kMaxArgumentBytes, ' '), "/", "/no/such/dir"}};
  for (int i = 0; i < Fixture::kFailures; ++i) REQUIRE(test.run(wrong[i % 4]).failure.has_value());
  CHECK_FALSE(has_child());
}

TEST_CASE_TEMPLATE("spawn: at the limit of descriptors it fails for now, wherever the limit strikes", Fixture,
                   OverUv, Native) {
  Fixture test;
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  rlim_t lowest_free = 0;
  for (const auto open = open_descriptors(); open.contains(static_cast<int>(lowest_free));) ++lowest_free;
  int failures = 0;
  // One more descriptor each time, until all that a spawn needs are there.
  for (rlim_t more = 0; more < 40; ++more) {
    rlimit tight = before;
    tight.rlim_cur = lowest_free + more;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &tight) == 0);
    test.run(test.spec("exit 3"));
    setrlimit(RLIMIT_NOFILE, &before);
    if (test.watched->status) break;
    ++failures;
    CAPTURE(more);
    CAPTURE(test.watched->failure->stage);
    CHECK(test.watched->failure->is_transient());
  }
  CHECK(failures > 0);
  CHECK(test.watched->status == ExitStatus::exited(3));
}

TEST_CASE_TEMPLATE("spawn: dropping a child that lives kills its group and reaps it", Fixture, OverUv,
                   Native) {
  Fixture test;
  Lifeline member(test.dir);
  test.start(test.spec("(" + member.hold() + "exec sleep 1000) & wait"));
  REQUIRE(test.run_until([&] { return member.has_come() && test.watched->pid.has_value(); }));
  test.child.reset();
  CHECK(test.run_until([&] { return member.is_gone() && !has_child(); }));
  CHECK_FALSE(test.watched->status.has_value());
}

TEST_CASE_TEMPLATE("spawn: dropping a child before it has started ends it as well", Fixture, OverUv, Native) {
  Fixture test;
  for (int i = 0; i < 20; ++i) {
    test.start(test.spec("sleep 1000"));
    test.child.reset();
  }
  test.finish_work();
  CHECK(test.run_until([] { return !has_child(); }));
}

TEST_CASE_TEMPLATE("spawn: a signal right after the start reaches the child", Fixture, OverUv, Native) {
  Fixture test;
  for (int i = 0; i < 50; ++i) {
    test.start(test.spec("exec sleep 1000"));
    ProcessGroup(*test.watched->pid).signal(SIGTERM);
    REQUIRE(test.run_until([&] { return test.watched->is_over(); }));
    CHECK(test.watched->status == ExitStatus::killed(SIGTERM));
  }
}

TEST_CASE_TEMPLATE("spawn: a child is born before its program has said a word, and stays so", Fixture, OverUv,
                   Native) {
  Fixture test;
  Gate gate(test.dir);
  test.start(test.spec("echo ready; " + gate.wait()));
  std::string said;
  REQUIRE(test.run_until([&] { return test.watched->pid.has_value(); }));
  REQUIRE(test.run_until([&] { return said += test.watched->text(0), said == "ready\n"; }));
  CHECK(test.child->is_born());
  gate.open_it();
  REQUIRE(test.run_until([&] { return test.watched->is_over(); }));
  CHECK(test.child->is_born());
}

TEST_CASE_TEMPLATE("spawn: many children at once are all told of, each with its own status", Fixture, OverUv,
                   Native) {
  Fixture test;
  std::vector<std::unique_ptr<Watched>> all;
  std::vector<std::unique_ptr<Child>> children;
  for (int i = 0; i < 30; ++i) {
    all.push_back(std::make_unique<Watched>());
    children.push_back(test.spawner->spawn(test.spec("exit " + std::to_string(i)), *all.back()));
  }
  REQUIRE(test.run_until(
      [&] { return std::all_of(all.begin(), all.end(), [](const auto& one) { return one->is_over(); }); }));
  for (int i = 0; i < 30; ++i) CHECK(all[static_cast<std::size_t>(i)]->status == ExitStatus::exited(i));
}

TEST_CASE_TEMPLATE("spawn: the wall time of a child is known", Fixture, OverUv, Native) {
  Fixture test;
  test.run(test.spec("sleep 0.05"));
  REQUIRE(test.watched->usage.wall_ms.has_value());
  CHECK(*test.watched->usage.wall_ms >= 50);
  CHECK(*test.watched->usage.wall_ms < 10000);
}

// What is run as it is, without a shell.

using Words = std::vector<std::string>;

TEST_CASE_TEMPLATE("spawn, program: every word comes as it is", Fixture, OverUv, Native) {
  Fixture test;
  const Words words{"",          " a  b ", "'\"", "$HOME `id` $(id)", "\\", "*", "-n", "\xb2\xe2\xca\xd4",
                    "new\nline", ""};
  Words argv{"/bin/sh", "-c", "for word; do printf '<%s>' \"$word\"; done", "name"};
  std::string expected;
  for (const std::string& word : words) {
    argv.push_back(word);
    expected += "<" + word + ">";
  }
  CHECK(test.output_of(test.program(argv)) == expected);
}

TEST_CASE_TEMPLATE("spawn, program: is not run by the shell, nor through what is planned for shell lines",
                   Fixture, OverUv, Native) {
  Fixture test;
  const DirectCalls calls("/bin/sh", test.dir.path(), environ);
  SpawnSpec how = test.program({"echo", "$HOME", ";", "false"});
  how.command = "exit 7";
  how.direct_calls = &calls;
  CHECK(test.output_of(how) == "$HOME ; false\n");
  CHECK(test.watched->status == ExitStatus::exited(0));
}

TEST_CASE_TEMPLATE(
    "spawn, program: is called by the name that was given, in the directory, and leads its session", Fixture,
    OverUv, Native) {
  Fixture test;
  CHECK(test.output_of(test.program({"sh", "-c", "echo $0; pwd -P"})) == "sh\n" + test.dir.path() + "\n");
  const std::string pid_and_session = test.output_of(test.program({"sh", "-c", "ps -o sid= -p $$"}));
  CHECK(std::stoi(pid_and_session) == *test.watched->pid);
}

TEST_CASE_TEMPLATE("spawn, program: is looked for along the PATH that the command will have", Fixture, OverUv,
                   Native) {
  Fixture test;
  test.make_file("one/tool", "#!/bin/sh\necho one", 0755);
  test.make_file("two/tool", "#!/bin/sh\necho two", 0755);
  test.make_file("tool", "#!/bin/sh\necho here", 0755);
  const auto found_by = [&](const std::string& path) {
    return test.output_of(test.with_environment(test.program({"tool"}), {"PATH=" + path}));
  };
  CHECK(found_by(test.dir.path("two") + ":" + test.dir.path("one")) == "two\n");
  CHECK(found_by("/no/such/dir:/dev/null:one:two") == "one\n");  // from the command's directory
  CHECK(found_by("/no/such/dir::two") == "here\n");
  CHECK(found_by("") == "here\n");
}

TEST_CASE_TEMPLATE("spawn, program: is looked for in the usual places where there is no PATH", Fixture,
                   OverUv, Native) {
  Fixture test;
  SpawnSpec how = test.program({"sh", "-c", "echo found"});
  how.clear_environment = true;
  CHECK(test.output_of(how) == "found\n");
}

TEST_CASE_TEMPLATE("spawn, program: a name with a slash is a path from the command's directory", Fixture,
                   OverUv, Native) {
  Fixture test;
  test.make_file("sub/tool", "#!/bin/sh\necho $0 $1", 0755);
  test.make_file("-x/tool", "echo $0", 0755);
  CHECK(test.output_of(test.program({"sub/tool", "x"})) == "sub/tool x\n");
  CHECK(test.output_of(test.program({"./sub/tool", "x"})) == "./sub/tool x\n");
  CHECK(test.output_of(test.program({"-x/tool"})) == "./-x/tool\n");  // no option for the shell that runs it
}

TEST_CASE_TEMPLATE("spawn, program: what is nowhere is ENOENT, by its name", Fixture, OverUv, Native) {
  Fixture test;
  CHECK(test.failure_of(test.program({"no-such-program", "x"})) == "exec ENOENT no-such-program");
  CHECK(test.failure_of(test.program({"./no-such-program"})) == "exec ENOENT ./no-such-program");
  CHECK(test.failure_of(test.program({""})) == "exec ENOENT ");
  CHECK(test.failure_of(test.program({"/dev/null/x"})) == "exec ENOTDIR /dev/null/x");
  CHECK(test.failure_of(test.with_environment(test.program({"true"}), {"PATH=/dev/null"})) ==
        "exec ENOENT true");
  CHECK(test.failure_of(test.program({std::string(300, 'a')})) == "exec ENOENT " + std::string(300, 'a'));
}

TEST_CASE_TEMPLATE(
    "spawn, program: what is there and may not be executed is EACCES, unless a later place has better",
    Fixture, OverUv, Native) {
  Fixture test;
  const std::string locked = test.make_file("locked/tool", "#!/bin/sh\necho never", 0644);
  test.make_file("good/tool", "#!/bin/sh\necho good", 0755);
  std::filesystem::create_directory(test.dir.path("dir"));
  const SpawnSpec tool = test.program({"tool"});
  CHECK(test.failure_of(test.program({locked})) == "exec EACCES " + locked);
  CHECK(test.failure_of(test.program({"./dir"})) == "exec EACCES ./dir");
  CHECK(test.failure_of(test.with_environment(test.program({"dir"}), {"PATH=."})) == "exec EACCES dir");
  CHECK(test.failure_of(test.with_environment(tool, {"PATH=locked:/no/such"})) == "exec EACCES tool");
  CHECK(test.output_of(test.with_environment(tool, {"PATH=locked:good"})) == "good\n");
}

TEST_CASE_TEMPLATE("spawn, program: what no system calls a program is run by the shell that was named",
                   Fixture, OverUv, Native) {
  Fixture test;
  const std::string script = test.make_file("bin/script", "echo \"$0 $# <$1>\"", 0755);
  const std::string expected = script + " 2 <a b>\n";
  CHECK(test.output_of(test.program({script, "a b", ""})) == expected);
  CHECK(test.output_of(test.with_environment(test.program({"script", "a b", ""}),
                                             {"PATH=" + test.dir.path("bin")})) == expected);
  SpawnSpec how = test.program({script, "a b"});
  how.shell = test.make_file("shell", "#!/bin/sh\necho shell \"$@\"", 0755);
  CHECK(test.output_of(how) == "shell " + script + " a b\n");
  test.make_file("bin/empty", "", 0755);
  CHECK(test.run(test.program({"bin/empty"})).status == ExitStatus::exited(0));
}

TEST_CASE_TEMPLATE("spawn, program: words that are too many or too long fail at exec", Fixture, OverUv,
                   Native) {
  Fixture test;
  CHECK(test.failure_of(test.program({"true", std::string(200'000, 'a')})) == "exec E2BIG true");
  CHECK(test.failure_of(test.program(Words(300'000, "true"))) == "exec E2BIG true");
  CHECK(test.failure_of(test.with_environment(test.program({"true"}), {"A=" + std::string(200'000, 'a')})) ==
        "exec E2BIG true");
  CHECK(test.output_of("echo then") == "then\n");
}

TEST_CASE_TEMPLATE("spawn, program: a directory that cannot be entered is told apart from the program",
                   Fixture, OverUv, Native) {
  Fixture test;
  SpawnSpec how = test.program({"no-such-program"});
  for (const std::string wrong : {"/no/such/dir ENOENT", "/dev/null ENOTDIR"}) {
    how.cwd = wrong.substr(0, wrong.find(' '));
    CHECK(test.failure_of(how) == "cwd " + wrong.substr(wrong.find(' ') + 1) + " " + how.cwd);
  }
}

TEST_CASE_TEMPLATE("spawn: a directory that may be listed but not entered fails as such" *
                       doctest::skip(geteuid() != 0),
                   Fixture, OverUv, Native) {
  Fixture test;
  SpawnSpec how = test.program({"true"});
  how.cwd = test.dir.path("locked");
  std::filesystem::create_directory(how.cwd);
  chmod(test.dir.path().c_str(), 0755);
  chmod(how.cwd.c_str(), 0444);
  REQUIRE(seteuid(65534) == 0);
  const std::string failure = test.failure_of(how);
  REQUIRE(seteuid(0) == 0);
  CHECK(failure == "cwd EACCES " + how.cwd);
}

// The environment.

TEST_CASE_TEMPLATE("spawn, environment: words are added, or stand in the place of the daemon's", Fixture,
                   OverUv, Native) {
  REQUIRE(setenv("RUNWIRE_TEST_KEPT", "kept", 1) == 0);
  REQUIRE(setenv("RUNWIRE_TEST_REPLACED", "old", 1) == 0);
  Fixture test;
  const Words words{"RUNWIRE_TEST_REPLACED=new", "RUNWIRE_TEST_ADDED=a=b c", "RUNWIRE_TEST_TWICE=1",
                    "RUNWIRE_TEST_TWICE=2", "RUNWIRE_TEST_EMPTY="};
  for (const SpawnSpec& how : {test.spec("env"), test.program({"env"})}) {
    std::istringstream lines(test.output_of(test.with_environment(how, words)));
    std::multiset<std::string> ours;
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with("RUNWIRE_TEST_")) ours.insert(line.substr(13));
    CHECK(ours ==
          std::multiset<std::string>{"KEPT=kept", "REPLACED=new", "ADDED=a=b c", "TWICE=2", "EMPTY="});
  }
  unsetenv("RUNWIRE_TEST_KEPT");
  unsetenv("RUNWIRE_TEST_REPLACED");
}

TEST_CASE_TEMPLATE("spawn, environment: cleared, it holds what was given and nothing else", Fixture, OverUv,
                   Native) {
  Fixture test;
  SpawnSpec how = test.program({"/usr/bin/env"});
  how.clear_environment = true;
  CHECK(test.output_of(how).empty());
  CHECK(test.output_of(test.with_environment(how, {"B=2", "A=1"})) == "B=2\nA=1\n");
  how.mark = "MARK=m";
  CHECK(test.output_of(how) == "MARK=m\n");
}

TEST_CASE_TEMPLATE("spawn, environment: the mark is last, and the only one of its name", Fixture, OverUv,
                   Native) {
  REQUIRE(setenv("RUNWIRE_TEST_MARK", "of another", 1) == 0);
  Fixture test;
  SpawnSpec how = test.program({"env"});
  how.mark = "RUNWIRE_TEST_MARK=m";
  for (const Words& words : {Words{}, Words{"RUNWIRE_TEST_MARK=forged", "A=1"}}) {
    how.environment = words;
    const std::string all = test.output_of(how);
    CHECK(all.ends_with("\nRUNWIRE_TEST_MARK=m\n"));
    CHECK(all.find("RUNWIRE_TEST_MARK=") == all.rfind("RUNWIRE_TEST_MARK="));
    CHECK(all.find("PATH=") != all.npos);
  }
  unsetenv("RUNWIRE_TEST_MARK");
}

TEST_CASE_TEMPLATE(
    "spawn, environment: plain words without a shell get the mark and keep what the shell passes on", Fixture,
    OverUv, Native) {
  Fixture test;
  const DirectCalls calls("/bin/sh", test.dir.path(), environ);
  test.make_file("show", "#!/bin/sh\nenv", 0755);
  SpawnSpec how = test.spec("./show");
  how.direct_calls = &calls;
  how.mark = "RUNWIRE_TEST_MARK=m";
  const std::string all = test.output_of(how);
  CHECK(all.find("RUNWIRE_TEST_MARK=m\n") != all.npos);
  CHECK(all.find("PWD=" + test.dir.path() + "\n") != all.npos);
}

TEST_CASE_TEMPLATE(
    "spawn, environment: a shell line with words of its own is the shell's, whose PATH they may be", Fixture,
    OverUv, Native) {
  Fixture test;
  const DirectCalls calls("/bin/sh", test.dir.path(), environ);
  test.make_file("bin/true", "#!/bin/sh\necho mine", 0755);
  SpawnSpec how = test.with_environment(test.spec("ls . && exit 3"), {"PATH=" + test.dir.path("bin")});
  how.direct_calls = &calls;
  how.command = "uname";
  CHECK(test.run(how).status == ExitStatus::exited(127));
  test.make_file("bin/uname", "#!/bin/sh\necho mine", 0755);
  CHECK(test.output_of(how) == "mine\n");
}

// Stdin.

TEST_CASE_TEMPLATE("spawn, stdin: bytes and their end come through a pipe", Fixture, OverUv, Native) {
  Fixture test;
  for (SpawnSpec how : {test.spec("test -p /dev/stdin && cat && echo end"),
                        test.program({"sh", "-c", "test -p /dev/stdin && cat && echo end"})}) {
    how.takes_stdin = true;
    test.start(how);
    REQUIRE(test.watched->in >= 0);
    test.watched->write_stdin(std::string("a\0b\n", 4));
    CHECK_FALSE(test.watched->is_over());
    test.watched->close_stdin();
    REQUIRE(test.run_until([&] { return test.watched->is_over(); }));
    CHECK(test.watched->text(0) == std::string("a\0b\nend\n", 8));
  }
}

TEST_CASE_TEMPLATE("spawn, stdin: our end does not block, the child's does, and without stdin there is none",
                   Fixture, OverUv, Native) {
  Fixture test;
  SpawnSpec how = test.program({"cat"});
  how.takes_stdin = true;
  test.start(how);
  const int in = test.watched->in;
  CHECK((fcntl(in, F_GETFL) & O_NONBLOCK) != 0);
  CHECK((fcntl(in, F_GETFD) & FD_CLOEXEC) != 0);
  test.watched->close_stdin();
  // A child whose end would not block would see no bytes yet, and end.
  REQUIRE(test.run_until([&] { return test.watched->is_over(); }));
  CHECK(test.watched->status == ExitStatus::exited(0));
  test.run(test.spec("true"));
  CHECK(test.watched->in == -1);
}

TEST_CASE_TEMPLATE("spawn, stdin: a child that waits for bytes gets them when they come", Fixture, OverUv,
                   Native) {
  Fixture test;
  Lifeline reader(test.dir);
  SpawnSpec how = test.spec(reader.hold() + "read line; echo \"got $line\"");
  how.takes_stdin = true;
  test.start(how);
  REQUIRE(test.run_until([&] { return reader.has_come(); }));
  test.watched->write_stdin("it\n");
  REQUIRE(test.run_until([&] { return test.watched->is_over(); }));
  CHECK(test.watched->text(0) == "got it\n");
}

TEST_CASE_TEMPLATE("spawn, stdin: no other child holds it open", Fixture, OverUv, Native) {
  Fixture test;
  SpawnSpec how = test.spec("cat; echo end");
  how.takes_stdin = true;
  std::vector<std::unique_ptr<Watched>> all;
  std::vector<std::unique_ptr<Child>> children;
  for (int i = 0; i < 20; ++i) {
    all.push_back(std::make_unique<Watched>());
    children.push_back(test.spawner->spawn(how, *all.back()));
  }
  // In the order of their birth: what a later one held of an earlier one would keep that waiting.
  for (const auto& one : all) {
    one->close_stdin();
    REQUIRE(test.run_until([&] { return one->is_over(); }));
    CHECK(one->text(0) == "end\n");
  }
}

TEST_CASE_TEMPLATE("spawn, stdin: a child that closes it, or ends, is seen by who writes", Fixture, OverUv,
                   Native) {
  Fixture test;
  Lifeline closed(test.dir);
  SpawnSpec how = test.spec("exec <&-; " + closed.hold() + "exec sleep 1000");
  how.takes_stdin = true;
  test.start(how);
  REQUIRE(test.run_until([&] { return closed.has_come(); }));
  CHECK(test.run_until([&] { return write(test.watched->in, "x", 1) == -1 && errno == EPIPE; }));
  test.child.reset();
}

TEST_CASE_TEMPLATE("spawn failure: a child that takes stdin and never ran leaves no descriptor", Fixture,
                   OverUv, Native) {
  Fixture test;  // whose end checks
  SpawnSpec how = test.program({"no-such-program"});
  how.takes_stdin = true;
  for (int i = 0; i < 20; ++i) CHECK(test.failure_of(how) == "exec ENOENT no-such-program");
}

TEST_CASE("spawn failure: what the machine is short of now is transient, what is wrong is not") {
  for (const int error : {UV_EAGAIN, UV_ENOMEM, UV_EMFILE, UV_ENFILE})
    CHECK(SpawnFailure{"fork", error}.is_transient());
  for (const int error : {UV_ENOENT, UV_EACCES, UV_E2BIG})
    CHECK_FALSE(SpawnFailure{"exec", error}.is_transient());
}

#ifdef __linux__

TEST_CASE_FIXTURE(Native, "spawn, native: tells what a child has used of the processor") {
  run(spec("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"));
  REQUIRE(watched->usage.user_ms.has_value());
  CHECK(*watched->usage.user_ms + *watched->usage.sys_ms > 0);
}

int takes_orphans() {
  int takes = 0;
  REQUIRE(prctl(PR_GET_CHILD_SUBREAPER, &takes) == 0);
  return takes;
}

std::size_t children_of_ours() {
  ProcessTable table;
  table.look(0);
  return table.children_of(getpid()).size();
}

TEST_CASE_FIXTURE(Native, "spawn, native: takes in orphans and reaps them, and tells nobody") {
  Lifeline orphan(dir);
  run(spec("(" + orphan.hold() + "exec >&- 2>&-; exec sleep 0.02) & exit 3"));
  CHECK(watched->status == ExitStatus::exited(3));
  CHECK(run_until([&] { return orphan.is_gone() && !has_child(); }));
  CHECK(run(spec("exit 4")).status == ExitStatus::exited(4));
}

TEST_CASE_FIXTURE(Native,
                  "spawn, native: an orphan is our child now, and lives on when its command is forgotten") {
  Lifeline orphan(dir);
  const pid_t pid =
      std::stoi(output_of("(" + orphan.hold() + "exec sleep 1000) </dev/null >/dev/null 2>&1 & echo $!"));
  REQUIRE(run_until([&] { return orphan.has_come(); }));
  child.reset();
  CHECK(run(spec("exit 4")).status == ExitStatus::exited(4));
  ProcessTable table;
  table.look(0);
  REQUIRE(table.find(pid) != nullptr);
  CHECK(table.find(pid)->parent == getpid());
  CHECK(table.find(pid)->is_alive);
  kill(pid, SIGKILL);
  CHECK(run_until([] { return !has_child(); }));
  CHECK(orphan.is_gone());
}

TEST_CASE_FIXTURE(Native,
                  "spawn, native: a hundred orphans that end beside a hundred children are all reaped") {
  const Descriptor gate(open_fifo(dir.path("gate"), O_RDWR)),
      other_gate(open_fifo(dir.path("other"), O_RDWR));
  std::vector<std::unique_ptr<Watched>> all;
  std::vector<std::unique_ptr<Child>> children;
  for (int i = 0; i < 100; ++i) {
    all.push_back(std::make_unique<Watched>());
    children.push_back(spawner->spawn(spec("exec 8<gate; read line <&8"), *all.back()));
  }
  run(spec("i=0; while [ $((i+=1)) -le 100 ]; do (exec 8<other; read line <&8) & done"));
  CHECK(run_until([] { return children_of_ours() == 200; }));
  const std::string lines(100, '\n');
  REQUIRE(write(other_gate.get(), lines.data(), lines.size()) == 100);
  CHECK(run_until([] { return children_of_ours() == 100; }));
  REQUIRE(write(gate.get(), lines.data(), lines.size()) == 100);
  CHECK(run_until([&] {
    return std::all_of(all.begin(), all.end(), [](const auto& one) { return one->is_over(); }) &&
           !has_child();
  }));
}

TEST_CASE_FIXTURE(Native,
                  "spawn, native: an adopted child is told of, whether it has ended before or ends later") {
  ForkedChild early([] { return 7; });
  siginfo_t seen{};
  REQUIRE(waitid(P_PID, static_cast<id_t>(early.pid()), &seen, WEXITED | WNOWAIT) == 0);
  Watched first;
  const auto adopted = spawner->adopt(early.release(), 0, first);
  REQUIRE(run_until([&] { return first.is_over(); }));
  CHECK(first.status == ExitStatus::exited(7));

  ForkedChild late(live);
  Watched second;
  const pid_t pid = late.release();
  const auto other = spawner->adopt(pid, static_cast<double>(uv_hrtime()) / 1e6, second);
  CHECK(other->is_born());
  kill(pid, SIGTERM);
  REQUIRE(run_until([&] { return second.is_over(); }));
  CHECK(second.status == ExitStatus::killed(SIGTERM));
  CHECK(second.usage.wall_ms.value_or(1e9) < 60e3);
}

TEST_CASE_FIXTURE(OverUv, "spawn, uv: adopts nobody, and says so") {
  Watched nobody;
  CHECK_FALSE(spawner->can_adopt());
  CHECK(spawner->adopt(1, 0, nobody) == nullptr);
}

TEST_CASE("spawn, native: orphans are taken in as long as there is a spawner that reaps them") {
  REQUIRE(takes_orphans() == 0);
  {
    const Native test;
    CHECK(takes_orphans() == 1);
  }
  CHECK(takes_orphans() == 0);
  const OverUv other;
  CHECK(takes_orphans() == 0);
}

TEST_CASE_FIXTURE(
    Native, "spawn, native: gives nothing but its pipes to a child, however many descriptors are open") {
  for (const int fd : open_descriptors())
    if (fd > 2) fcntl(fd, F_SETFD, FD_CLOEXEC);  // as runwired does with what it inherits
  std::vector<Descriptor> many;
  for (int i = 0; i < 200; ++i) many.emplace_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto before = open_descriptors();
  std::vector<std::unique_ptr<Watched>> all;
  std::vector<std::unique_ptr<Child>> children;
  for (int i = 0; i < 30; ++i) {  // more than there are low descriptors for
    all.push_back(std::make_unique<Watched>());
    children.push_back(spawner->spawn(spec("ls /proc/self/fd; exit " + std::to_string(i)), *all.back()));
  }
  REQUIRE(run_until(
      [&] { return std::all_of(all.begin(), all.end(), [](const auto& one) { return one->is_over(); }); }));
  run(spec("true"));  // which takes the low descriptors back
  for (std::size_t i = 0; i < all.size(); ++i) {
    CHECK(all[i]->status == ExitStatus::exited(static_cast<int>(i)));
    CHECK(all[i]->text(0) == "0\n1\n2\n3\n");  // 3 is the directory that ls reads
  }
  children.clear();
  all.clear();
  watched.reset();
  CHECK(open_descriptors() == before);
}

TEST_CASE_FIXTURE(
    Native,
    "spawn, native: stdin comes and ends as well where the table of descriptors is shared with the child") {
  std::vector<Descriptor> many;
  for (int i = 0; i < 200; ++i) many.emplace_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
  Lifeline closed(dir);
  SpawnSpec how = spec("cat; exec <&-; " + closed.hold() + "exec sleep 1000");
  how.takes_stdin = true;
  start(how);
  Watched other;
  const auto next_to_it = spawner->spawn(spec("exec sleep 1000"), other);
  watched->write_stdin("bytes\n");
  CHECK(run_until([&] {
    char byte = 0;
    return read(watched->fds[0], &byte, 1) == 1;
  }));
  watched->close_stdin();
  CHECK(run_until([&] { return closed.has_come(); }));
  child.reset();
}

TEST_CASE_FIXTURE(Native, "spawn, native: who writes sees that stdin was closed where the table was shared") {
  std::vector<Descriptor> many;
  for (int i = 0; i < 200; ++i) many.emplace_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
  SpawnSpec how = spec("exec <&-; exec sleep 1000");
  how.takes_stdin = true;
  start(how);
  CHECK(run_until([&] { return write(watched->in, "x", 1) == -1 && errno == EPIPE; }));
  child.reset();
}

TEST_CASE_FIXTURE(Native, "spawn, native: each of a hundred children is told of, however many end at once") {
  REQUIRE(mkfifo(dir.path("gate").c_str(), 0600) == 0);
  const Descriptor gate(open(dir.path("gate").c_str(), O_RDWR | O_CLOEXEC));
  std::vector<std::unique_ptr<Watched>> all;
  std::vector<std::unique_ptr<Child>> children;
  for (int i = 0; i < 100; ++i) {
    all.push_back(std::make_unique<Watched>());
    children.push_back(spawner->spawn(spec("read line < gate; exit " + std::to_string(i)), *all.back()));
  }
  const std::string lines(100, '\n');
  REQUIRE(write(gate.get(), lines.data(), lines.size()) == 100);
  REQUIRE(run_until(
      [&] { return std::all_of(all.begin(), all.end(), [](const auto& one) { return one->is_over(); }); }));
  for (std::size_t i = 0; i < all.size(); ++i)
    CHECK(all[i]->status == ExitStatus::exited(static_cast<int>(i)));
}

TEST_CASE_FIXTURE(Native, "spawn, native: a child that fails in a shared table leaves nothing behind") {
  std::vector<Descriptor> many;
  for (int i = 0; i < 200; ++i) many.emplace_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
  for (int i = 0; i < 20; ++i)
    CHECK(failed_stage({"/no/such/shell", "true", dir.path(), dir.path()}, UV_ENOENT) == "exec");
  CHECK(output_of("echo then") == "then\n");
}

TEST_CASE_FIXTURE(OverUv, "spawn, uv: says nothing of usage that it cannot know") {
  run(spec("true"));
  CHECK_FALSE(watched->usage.user_ms.has_value());
  CHECK_FALSE(watched->usage.max_rss_kb.has_value());
}

#endif

// What a child sets for itself.

TEST_CASE_TEMPLATE("spawn: a command has the limits, the niceness and the umask that were asked for", Fixture,
                   OverUv, Native) {
  Fixture test;
  SpawnSpec how =
      test.spec("ulimit -n; ulimit -Hn; ulimit -c; ulimit -t; ulimit -Ht; ulimit -f; nice; umask");
  how.limits.nofile = 20;
  how.limits.core_bytes = 0;
  how.limits.cpu_s = 7;
  how.limits.fsize_bytes = 51200;
  how.limits.nice = 5;
  how.limits.umask = 027;
  CHECK(test.output_of(how) == "20\n20\n0\n7\n8\n100\n5\n0027\n");
}

TEST_CASE_TEMPLATE("spawn: caps hold for a command that asks for nothing, and for one that asks for more",
                   Fixture, OverUv, Native) {
  Fixture test;
  SpawnSpec how = test.spec("ulimit -n; ulimit -Hn");
  how.caps.nofile = 30;
  CHECK(test.output_of(how) == "30\n30\n");
  how.limits.nofile = 40;
  CHECK(test.output_of(how) == "30\n30\n");
  how.limits.nofile = 20;
  CHECK(test.output_of(how) == "20\n20\n");
}

TEST_CASE_TEMPLATE("spawn: a limit that may not be set is told with its stage and errno", Fixture, OverUv,
                   Native) {
  Fixture test;
  SpawnSpec how = test.spec("echo it runs");
  how.limits.umask = 022;
  how.limits.nofile = std::uint64_t{1} << 52;  // more than any system allows
  CHECK(test.failure_of(how) == "limit:nofile EPERM ");
}

TEST_CASE_TEMPLATE("spawn: with limits a command has the same descriptors, pid, session and exit", Fixture,
                   OverUv, Native) {
  Fixture test;
  const std::string count = "ls /proc/self/fd | wc -l";
  const std::string without = test.output_of(count);
  SpawnSpec how = test.spec(count + "; echo $$; ps -o pgid=,sid= -p $$; exit 7");
  how.limits.core_bytes = 0;
  const Watched& ended = test.run(how);
  const std::string pid = std::to_string(ended.pid.value());
  REQUIRE(ended.status.has_value());
  CHECK(ended.status->code() == 7);
  std::istringstream words(ended.text(0));
  std::string descriptors, own, group, session;
  words >> descriptors >> own >> group >> session;
  CHECK(descriptors + "\n" == without);
  CHECK(own == pid);
  CHECK(group == pid);
  CHECK(session == pid);
}

TEST_CASE_TEMPLATE("spawn: with limits a start fails as it does without", Fixture, OverUv, Native) {
  Fixture test;
  const auto limited = [](SpawnSpec how) {
    how.limits.core_bytes = 0;
    return how;
  };
  CHECK(test.failure_of(limited(test.program({"no-such-program"}))) == "exec ENOENT no-such-program");
  CHECK(test.failure_of(limited(test.program({"/"}))) == "exec EACCES /");
  SpawnSpec how = limited(test.spec("true"));
  how.shell = test.dir.path() + "/none";
  CHECK(test.failure_of(how) == "exec ENOENT " + how.shell);
  how = limited(test.spec("true"));
  how.cwd = test.dir.path() + "/none";
  CHECK(test.failure_of(how) == "cwd ENOENT " + how.cwd);
}

TEST_CASE_TEMPLATE("spawn: with limits a program is found by its own PATH, and text is run by the shell",
                   Fixture, OverUv, Native) {
  Fixture test;
  test.make_file("bin/say", "echo \"$0\" \"$@\"; ulimit -c", 0755);
  SpawnSpec how =
      test.with_environment(test.program({"say", "a b"}), {"PATH=" + test.dir.path("bin") + ":/bin"});
  how.limits.core_bytes = 0;
  CHECK(test.output_of(how) == test.dir.path("bin/say") + " a b\n0\n");
}

TEST_CASE_TEMPLATE("spawn: with limits a command too long to be an argument runs whole", Fixture, OverUv,
                   Native) {
  Fixture test;
  const std::string count = "ls /proc/self/fd | wc -l";
  const std::string without = test.output_of(count);
  SpawnSpec how = test.spec(count + "; ulimit -n #" + std::string(kMaxArgumentBytes, 'x'));
  how.limits.nofile = 20;
  CHECK(test.output_of(how) == without + "20\n");
}

TEST_CASE_TEMPLATE("spawn: at a terminal all three descriptors are it, and it is the session's", Fixture,
                   OverUv, Native) {
  Fixture test;
  SpawnSpec how = test.spec("[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && stty size && echo mine > /dev/tty");
  how.terminal = PtySize{31, 101};
  how.takes_stdin = true;
  const Watched& ended = test.run(how);
  REQUIRE(ended.status.has_value());
  CHECK(ended.status->code() == 0);
  CHECK(ended.in >= 0);
  CHECK(ended.fds[1] == -1);
  CHECK(ended.text(0) == "31 101\r\nmine\r\n");
}

TEST_CASE_TEMPLATE("spawn: a start at a terminal fails as it does without", Fixture, OverUv, Native) {
  Fixture test;
  SpawnSpec how = test.program({"no-such-program"});
  how.terminal = PtySize{};
  CHECK(test.failure_of(how) == "exec ENOENT no-such-program");
}
