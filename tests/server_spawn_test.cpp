#include <sys/resource.h>
#include <sys/stat.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <array>
#include <optional>
#include <sstream>

#include "server/descriptor.hpp"
#include "server/process_group.hpp"
#include "server/script.hpp"
#include "server/spawn.hpp"
#include "tests/job_fixture.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

// Notes what happens to one child, and reads what it writes.
struct Watched final : ChildEvents {
  ~Watched() override {
    for (const int fd : fds)
      if (fd >= 0) close(fd);
  }
  void child_started(pid_t started, ChildStreams streams) override {
    pid = started;
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

  std::optional<pid_t> pid;
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
  std::string output_of(const std::string& command) {
    const Watched& ended = run(spec(command));
    REQUIRE(ended.status.has_value());
    return ended.text(0);
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
  OverUv() { spawner = make_uv_spawner(loop()); }
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

TEST_CASE_FIXTURE(
    Native,
    "spawn, native: reaps orphans that come to it, as to a container's first process, and tells nobody") {
  REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  Lifeline orphan(dir);
  run(spec("(" + orphan.hold() + "exec >&- 2>&-; exec sleep 0.02) & exit 3"));
  CHECK(watched->status == ExitStatus::exited(3));
  CHECK(run_until([&] { return orphan.is_gone() && !has_child(); }));
  CHECK(run(spec("exit 4")).status == ExitStatus::exited(4));
  prctl(PR_SET_CHILD_SUBREAPER, 0);
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
