#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>

#include "proto/limits.hpp"
#include "server/job.hpp"
#include "server/pty.hpp"
#include "tests/job_fixture.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

std::uint64_t elapsed_ms(std::uint64_t since_ns) { return (uv_hrtime() - since_ns) / 1000000; }

// The size of `terminal` at the moment of the first byte that came to `input`, a pipe's read end: the signal for that
// byte is there before the write returns.
class SizeAtInput {
 public:
  SizeAtInput(int terminal, int input) {
    watched = terminal;
    seen = {};
    struct sigaction look {};
    look.sa_handler = [](int) {
      if (seen.ws_row == 0) ioctl(watched, TIOCGWINSZ, &seen);
    };
    REQUIRE(sigaction(SIGIO, &look, &before_) == 0);
    REQUIRE(fcntl(input, F_SETOWN, getpid()) == 0);
    REQUIRE(fcntl(input, F_SETFL, fcntl(input, F_GETFL) | O_ASYNC) == 0);
  }
  SizeAtInput(const SizeAtInput&) = delete;
  SizeAtInput& operator=(const SizeAtInput&) = delete;
  ~SizeAtInput() { sigaction(SIGIO, &before_, nullptr); }

  // The handler's, which nobody interrupts but that signal.
  static inline int watched;
  static inline winsize seen;

 private:
  struct sigaction before_ {};
};

}  // namespace

TEST_CASE_FIXTURE(JobFixture, "job: a command's output, status and reason are in its result") {
  start("printf out; printf err >&2; exit 7");
  const ReplyHeader& header = finish();
  CHECK(header.status == ExitStatus::exited(7));
  CHECK(header.reason == Reason::exited);
  CHECK(header.stdout_bytes == 3);
  CHECK(header.stderr_bytes == 3);
  CHECK(header.len == 6);
  CHECK_FALSE(header.truncated);
  CHECK_FALSE(header.cut);
  CHECK(out() == "out");
  CHECK(err() == "err");
  CHECK(over);
}

TEST_CASE_FIXTURE(JobFixture, "job: death by a signal is told by its number, never as a code") {
  start("kill -SEGV $$");
  CHECK(finish().status == ExitStatus::killed(SIGSEGV));
  CHECK(result->header.reason == Reason::signal);
}

TEST_CASE_FIXTURE(PuppetFixture, "job: is finished by exit, end of stdout and end of stderr in any order") {
  const char* orders[] = {"xoe", "xeo", "oxe", "exo", "oex", "eox"};
  for (const std::string order : orders) {
    CAPTURE(order);
    start("");
    spawner->last().write(0, "out");
    spawner->last().write(1, "err");
    for (const char step : order) {
      CHECK_FALSE(result.has_value());
      if (step == 'x') spawner->last().exit(3);
      if (step == 'o') spawner->last().close_stream(0);
      if (step == 'e') spawner->last().close_stream(1);
      run_turns();
    }
    CHECK(finish().status == ExitStatus::exited(3));
    CHECK_FALSE(result->header.cut);
    CHECK(out() == "out");
    CHECK(err() == "err");
    CHECK(over);
  }
  CHECK(finished == 6);
}

TEST_CASE_FIXTURE(PuppetFixture, "job: what is still in the pipes at the exit belongs to the result") {
  start("");
  const std::string full(60000, 'x');
  spawner->last().write(0, full);
  spawner->last().write(1, full);
  spawner->last().leave(0);
  finish();
  CHECK((out() == full));
  CHECK((err() == full));
}

TEST_CASE_FIXTURE(JobFixture, "job: a child that closes its output and lives on is waited for") {
  Gate gate(dir);
  Lifeline child(dir);
  start(child.hold() + "exec >&- 2>&-; " + gate.wait() + "exit 44");
  REQUIRE(run_until([&] { return child.has_come(); }));
  run_for(30);
  CHECK_FALSE(result.has_value());
  gate.open_it();
  CHECK(finish().status == ExitStatus::exited(44));
}

TEST_CASE_FIXTURE(JobFixture,
                  "job: a grandchild that holds the pipe delays the result by the quiet, not longer") {
  Gate gate(dir);
  start("{ " + gate.wait() + "} & echo hi");
  const std::uint64_t begin = uv_hrtime();
  CHECK(finish().cut);
  CHECK(elapsed_ms(begin) >= kLingerQuietMs - 20);  // a timer counts from the start of its turn
  CHECK(out() == "hi\n");
  CHECK(result->header.status == ExitStatus::exited(0));
  CHECK_FALSE(over);
  gate.open_it();
  wait_until_over();
}

TEST_CASE_FIXTURE(JobFixture, "job: the grandchild lives on after the cut and may write all it wants") {
  Gate gate(dir);
  Lifeline grandchild(dir);
  start("(" + grandchild.hold() + gate.wait() + "dd if=/dev/zero bs=1000 count=200 2>/dev/null; " +
        "echo done >&9) & echo hi");
  CHECK(finish().cut);
  CHECK(out() == "hi\n");
  CHECK(grandchild.has_come());
  CHECK_FALSE(grandchild.is_gone());
  gate.open_it();
  wait_until_over();  // 200 KB went through a pipe of 64 KB: somebody reads it
}

TEST_CASE_FIXTURE(JobFixture, "job: a grandchild that ends within the quiet loses nothing and is no cut") {
  start("(sleep 0.05; echo late) & echo hi");
  CHECK_FALSE(finish().cut);
  CHECK(out() == "hi\nlate\n");
}

TEST_CASE_FIXTURE(JobFixture,
                  "job: a grandchild that floods is cut at the cap, with all of the leader's bytes") {
  Lifeline flood(dir);
  start("(" + flood.hold() + "exec yes) & head -c 300000 /dev/zero | tr '\\0' A >&2; exit 5");
  const std::uint64_t begin = uv_hrtime();
  CHECK(finish().cut);
  CHECK(elapsed_ms(begin) < 3 * kLingerCapMs);
  CHECK(result->header.status == ExitStatus::exited(5));
  CHECK((err() == std::string(300000, 'A')));
  job->drop_leftover();
  CHECK(over);
  CHECK(run_until([&] { return flood.is_gone(); }));  // of SIGPIPE
}

TEST_CASE_FIXTURE(PuppetFixture,
                  "job: a pipe that waits for a buffer holds the end back, and nothing is lost") {
  MemoryLease memory(store.memory());
  REQUIRE(memory.extend(kOutputMemoryBytes));
  std::vector<SpillFile::Buffer> lent(kSpillBuffers);
  for (auto& buffer : lent) buffer = store.take_buffer();
  start("");
  spawner->last().write(0, "kept");
  spawner->last().exit(0);
  run_for(2 * kLingerQuietMs);
  CHECK_FALSE(result.has_value());
  lent.clear();
  spawner->last().close_stream(0);
  spawner->last().close_stream(1);
  CHECK_FALSE(finish().cut);
  CHECK(out() == "kept");
}

TEST_CASE_FIXTURE(PuppetFixture,
                  "job: a pipe that waits for a buffer is waited for, however much was read since the exit") {
  start("");
  spawner->last().exit(0);
  const std::string piece(40000, 'x');
  // More than any pipe holds, and than memory does; but little for a disk, which has to be done within kLingerCapMs.
  for (int i = 0; i < 30; ++i) {
    spawner->last().write(0, piece);
    REQUIRE(run_until([&] {
      int waiting = 0;
      return ioctl(spawner->last().ends[0], FIONREAD, &waiting) == 0 && waiting == 0;
    }));
  }
  std::vector<SpillFile::Buffer> lent;
  REQUIRE(run_until([&] {
    while (auto buffer = store.take_buffer()) lent.push_back(std::move(buffer));
    return lent.size() == kSpillBuffers;
  }));
  spawner->last().write(0, "kept");
  run_for(kLingerCapMs + 2 * kLingerQuietMs);
  CHECK_FALSE(result.has_value());
  lent.clear();
  spawner->last().close_stream(0);
  spawner->last().close_stream(1);
  finish();
  CHECK(result->header.stdout_bytes == 30 * piece.size() + 4);
}

TEST_CASE_FIXTURE(PuppetFixture, "job: a job may die while one of its streams waits for the other's buffer") {
  MemoryLease memory(store.memory());
  REQUIRE(memory.extend(kOutputMemoryBytes));
  std::vector<SpillFile::Buffer> lent(kSpillBuffers - 1);
  for (auto& buffer : lent) buffer = store.take_buffer();
  start("");
  spawner->last().write(0, "has the last buffer");
  spawner->last().write(1, "waits");
  uv_run(loop(), UV_RUN_NOWAIT);
  job.reset();
  lent.clear();
}

TEST_CASE_FIXTURE(JobFixture, "job: output that cannot be kept is a spool error that names the cause") {
  const SpawnSpec here{"/bin/sh", "head -c 4000000 /dev/zero", "/", dir.path()};
  dir.remove();
  start(here);
  finish();
  REQUIRE(result->header.error.has_value());
  CHECK(result->header.error->error == error_name::kSpool);
  CHECK(result->header.error->message ==
        "the output could not be kept: cannot create a temporary file in " + dir.path() +
            ": No such file or directory; name another directory with --spill-dir");
  CHECK(result->header.len == 0);
  CHECK(result->stdout_log == nullptr);
  wait_until_over();
}

TEST_CASE_FIXTURE(JobFixture, "job: output past the cap ends the command, and what was allowed is there") {
  start("yes", 100000);
  const ReplyHeader& header = finish();
  CHECK(header.truncated);
  CHECK(header.reason == Reason::output_limit);
  CHECK(header.status->by_signal());
  CHECK(header.stdout_bytes == 100000);
  wait_until_over();
}

TEST_CASE_FIXTURE(JobFixture, "job: output of exactly the cap is not truncated") {
  start("head -c 60000 /dev/zero; head -c 40000 /dev/zero >&2", 100000);
  CHECK_FALSE(finish().truncated);
  CHECK(result->header.len == 100000);
  CHECK(result->header.reason == Reason::exited);
}

TEST_CASE_FIXTURE(JobFixture, "job: end() ends the whole group and says why; the first reason counts") {
  Lifeline background(dir);
  start("(" + background.hold() + "exec sleep 1000) & wait");
  REQUIRE(run_until([&] { return background.has_come(); }));
  job->end(Reason::client_gone, kKillGraceMs);
  job->end(Reason::shutdown, kKillGraceMs);
  CHECK(finish().reason == Reason::client_gone);
  CHECK(result->header.status == ExitStatus::killed(SIGTERM));
  CHECK(run_until([&] { return background.is_gone(); }));
  wait_until_over();
}

TEST_CASE_FIXTURE(JobFixture, "job: a command that ignores TERM gets KILL after the grace") {
  Lifeline child(dir);
  start("trap '' TERM; " + child.hold() + "while :; do sleep 1000; done");
  REQUIRE(run_until([&] { return child.has_come(); }));
  const std::uint64_t begin = uv_hrtime();
  job->end(Reason::client_gone, 100);
  CHECK(finish().status == ExitStatus::killed(SIGKILL));
  CHECK(elapsed_ms(begin) >= 90);  // a timer counts from the start of its turn
  CHECK(result->header.reason == Reason::client_gone);
  wait_until_over();
}

TEST_CASE_FIXTURE(JobFixture,
                  "job: a group member that ignores TERM is killed after its leader is long gone") {
  Lifeline member(dir);
  start("(trap '' TERM; " + member.hold() + "exec >&- 2>&-; exec sleep 1000) & wait");
  REQUIRE(run_until([&] { return member.has_come(); }));
  job->end(Reason::client_gone, 100);
  CHECK(finish().status == ExitStatus::killed(SIGTERM));
  CHECK(job->has_kill_due());
  CHECK_FALSE(member.is_gone());
  CHECK(run_until([&] { return member.is_gone(); }));
  wait_until_over();
}

TEST_CASE_FIXTURE(JobFixture, "job: a kill that is due can be brought forward after the result is out") {
  Lifeline member(dir);
  start("(trap '' TERM; " + member.hold() + "exec >&- 2>&-; exec sleep 1000) & wait");
  REQUIRE(run_until([&] { return member.has_come(); }));
  job->end(Reason::shutdown, 1000000);
  finish();
  job->kill_now(Reason::shutdown);
  CHECK(run_until([&] { return member.is_gone(); }));
  wait_until_over();
}

TEST_CASE_FIXTURE(JobFixture, "job: is over as soon as its group is gone, however long the grace") {
  Lifeline background(dir);
  start("(" + background.hold() + "exec sleep 1000) & wait");
  REQUIRE(run_until([&] { return background.has_come(); }));
  job->end(Reason::shutdown, 1000000);
  finish();
  wait_until_over();
}

TEST_CASE_FIXTURE(JobFixture, "job: a later end() never puts the kill off") {
  Lifeline child(dir);
  start("trap '' TERM; " + child.hold() + "while :; do sleep 1000; done");
  REQUIRE(run_until([&] { return child.has_come(); }));
  job->end(Reason::client_gone, 50);
  job->end(Reason::shutdown, 1000000);
  CHECK(finish().status == ExitStatus::killed(SIGKILL));
  wait_until_over();
}

TEST_CASE_FIXTURE(JobFixture,
                  "job: one that was told to end before its child had started is ended all the same") {
  start("while :; do sleep 1000; done");
  job->end(Reason::client_gone, kKillGraceMs);
  finish();
  CHECK(result->header.reason == Reason::client_gone);
  CHECK(result->header.status->by_signal());
  wait_until_over();
}

TEST_CASE_FIXTURE(JobFixture, "job: a child that starts after the grace is over is killed at once") {
  // A spawner that is slower than the grace.
  struct Late : ChildEvents {
    explicit Late(ChildEvents& to) : to_(to) {}
    void child_started(pid_t pid, ChildStreams given) override { leader = pid, streams = given; }
    void child_failed(const SpawnFailure& failure) override { to_.child_failed(failure); }
    void child_exited(const ChildEnd& end) override { to_.child_exited(end); }
    void let_start() { to_.child_started(*leader, streams); }
    ChildEvents& to_;
    std::optional<pid_t> leader;
    ChildStreams streams;
  };
  struct LateSpawner : Spawner {
    std::unique_ptr<Child> spawn(const SpawnSpec& spec, ChildEvents& events) override {
      late = std::make_unique<Late>(events);
      return real->spawn(spec, *late);
    }
    std::unique_ptr<Spawner> real;
    std::unique_ptr<Late> late;
  };
  auto slow = std::make_unique<LateSpawner>();
  LateSpawner& late_spawner = *slow;
  slow->real = std::move(spawner);
  spawner = std::move(slow);
  Lifeline child(dir);
  start("trap '' TERM; " + child.hold() + "while :; do sleep 1000; done");
  REQUIRE(run_until([&] { return child.has_come() && late_spawner.late->leader; }));
  job->end(Reason::client_gone, 1);
  REQUIRE(run_until([&] { return !job->has_kill_due(); }));
  late_spawner.late->let_start();
  CHECK(finish().status == ExitStatus::killed(SIGKILL));
  wait_until_over();
  job.reset();
}

TEST_CASE_FIXTURE(JobFixture, "job: a normal end signals nobody: what runs in the background lives on") {
  Gate gate(dir);
  Gate leader(dir, "leader");
  Lifeline background(dir);
  start("(exec >/dev/null 2>&1; " + background.hold() + gate.wait() + ") & " + leader.wait());
  REQUIRE(run_until([&] { return background.has_come(); }));
  leader.open_it();
  CHECK_FALSE(finish().cut);
  CHECK(over);
  run_for(50);
  CHECK_FALSE(background.is_gone());
  gate.open_it();
  CHECK(run_until([&] { return background.is_gone(); }));
}

TEST_CASE_FIXTURE(JobFixture,
                  "job: a child that cannot be started is an error with stage, errno and a next step") {
  SpawnSpec wrong = spec("true");
  wrong.shell = "/no/such/shell";
  start(wrong);
  finish();
  REQUIRE(result->header.error.has_value());
  CHECK(result->header.error->error == error_name::kSpawn);
  CHECK(result->header.error->stage == "exec");
  CHECK(result->header.error->errno_name == "ENOENT");
  CHECK(result->header.error->message ==
        "the command could not be started: exec: /no/such/shell: no such file or directory; see runwired's "
        "--shell");
  CHECK_FALSE(result->header.error->retry_ms.has_value());
  wait_until_over();
}

TEST_CASE_FIXTURE(PuppetFixture, "job: a shortage while starting is `busy`, to be tried again") {
  spawner->starts_at_once = false;
  start("");
  spawner->last().events->child_failed({"fork", UV_EAGAIN});
  finish();
  REQUIRE(result->header.error.has_value());
  CHECK(result->header.error->error == error_name::kBusy);
  CHECK(result->header.error->retry_ms.has_value());
  CHECK(over);
}

TEST_CASE_FIXTURE(JobFixture, "job: a child whose job dies is killed with its group, and reaped") {
  Lifeline child(dir);
  start(child.hold() + "sleep 1000");
  REQUIRE(run_until([&] { return child.has_come(); }));
  job.reset();
  CHECK(run_until([&] { return child.is_gone() && !has_child(); }));
}

TEST_CASE_FIXTURE(JobFixture, "job: a job may die before its child has started") {
  start("sleep 1000");
  job.reset();
  finish_work();
}

// --- output that is handed on ---

TEST_CASE_FIXTURE(JobFixture,
                  "job: output that is handed on is told as it comes, and counted in the result") {
  Gate gate(dir);
  start_stream(spec("printf out; printf error >&2; " + gate.wait() + "exit 3"));
  REQUIRE(run_until([&] { return follower.out.size() + follower.err.size() == 8; }));
  CHECK(follower.starts == 1);
  CHECK(follower.pid > 0);
  CHECK_FALSE(result.has_value());
  gate.open_it();
  const ReplyHeader& header = finish();
  CHECK(follower.out == "out");
  CHECK(follower.err == "error");
  CHECK(header.status == ExitStatus::exited(3));
  CHECK(header.stdout_bytes == 3);
  CHECK(header.stderr_bytes == 5);
  CHECK(result->stdout_log == nullptr);
  CHECK(result->stderr_log == nullptr);
  CHECK_FALSE(header.cut);
}

TEST_CASE_FIXTURE(JobFixture,
                  "job: output that is handed on has no limit in all, only one in what is on its way") {
  start_stream(spec("head -c 3000000 /dev/zero"), JobTerms{1000});
  CHECK_FALSE(finish().truncated);
  CHECK(follower.out.size() == 3000000);
  CHECK(follower.largest <= kReadBytes);
}

TEST_CASE_FIXTURE(PuppetFixture,
                  "job: a reader without room stops the output, is waited for, and gets all of it") {
  follower.room = 0;
  start_stream(spec(""));
  follower.room = 0;
  spawner->last().write(0, "all of it");
  spawner->last().leave(0);
  run_for(kLingerCapMs + 2 * kLingerQuietMs);
  CHECK_FALSE(result.has_value());
  CHECK(follower.out.empty());
  follower.room = 4;
  job->resume_output(StdStream::out);
  CHECK_FALSE(finish().cut);
  CHECK(follower.out == "all of it");
  CHECK(follower.largest == 4);
}

TEST_CASE_FIXTURE(PuppetFixture, "job: a reader without room does not hold up an end without bytes") {
  start_stream(spec(""));
  follower.room = 0;
  spawner->last().leave(5);
  CHECK(finish().status == ExitStatus::exited(5));
  CHECK_FALSE(result->header.cut);
}

TEST_CASE_FIXTURE(JobFixture, "job: output that is of no use ends its writer, and the other one goes on") {
  start_stream(spec("yes; printf 'status %s' $? >&2"));
  REQUIRE(run_until([&] { return follower.out.size() > 100000; }));
  job->stop_output(StdStream::out);
  job->stop_output(StdStream::out);
  const std::size_t before = follower.out.size();
  CHECK(finish().status == ExitStatus::exited(0));
  CHECK(follower.err == "status " + std::to_string(128 + SIGPIPE));
  CHECK(follower.out.size() == before);
  CHECK(result->header.stdout_bytes == before);
}

TEST_CASE_FIXTURE(JobFixture,
                  "job: output that was of no use before there was a child ends its writer, too") {
  JobTerms terms;
  terms.form = ReplyForm::stream;
  make(terms, &follower).stop_output(StdStream::out);
  job->start(*spawner, spec("yes; printf 'status %s' $? >&2"));
  finish();
  CHECK(follower.err == "status " + std::to_string(128 + SIGPIPE));
  CHECK(follower.out.empty());
}

TEST_CASE_FIXTURE(PuppetFixture,
                  "job: a stop of an output that waits for its reader is the end of that wait") {
  start_stream(spec(""));
  follower.room = 0;
  spawner->last().write(0, "waits");
  run_turns();
  spawner->last().exit(0);
  job->stop_output(StdStream::out);
  CHECK(finish().cut);  // somebody has stderr still
  spawner->last().close_all();
  wait_until_over();
}

TEST_CASE_FIXTURE(JobFixture, "job: with its listener forgotten it goes on, and its output is thrown away") {
  Gate gate(dir);
  start_stream(spec("echo before; " + gate.wait() + "head -c 1000000 /dev/zero; exit 6"));
  REQUIRE(run_until([&] { return follower.out == "before\n"; }));
  follower.room = 0;
  job->forget_listener();
  gate.open_it();
  CHECK(finish().status == ExitStatus::exited(6));
  CHECK(follower.out == "before\n");
}

TEST_CASE_FIXTURE(PuppetFixture, "job: a listener that is forgotten while it has no room holds nothing up") {
  start_stream(spec(""));
  follower.room = 0;
  spawner->last().write(0, "waits");
  run_turns();
  job->forget_listener();
  spawner->last().leave(0);
  finish();
  CHECK(follower.out.empty());
}

// --- input and signals ---

namespace {

SpawnSpec with_stdin(SpawnSpec spec) {
  spec.takes_stdin = true;
  return spec;
}

}  // namespace

TEST_CASE_FIXTURE(JobFixture, "job: a command reads its input to the end, and /dev/null where it has none") {
  start_stream(with_stdin(spec("cat")));
  job->input().write("one ");
  REQUIRE(run_until([&] { return follower.out == "one "; }));
  job->input().write("two");
  job->input().end();
  CHECK(finish().status == ExitStatus::exited(0));
  CHECK(follower.out == "one two");
  CHECK(follower.taken == 7);
  CHECK(follower.closings == 0);
  start_stream(spec("cat; echo end"));
  finish();
  CHECK(follower.out == "end\n");
}

TEST_CASE_FIXTURE(JobFixture, "job: input that comes before there is a child is its first") {
  JobTerms terms;
  terms.form = ReplyForm::stream;
  make(terms, &follower).input().write("early ");
  job->input().write("bird");
  job->input().end();
  job->start(*spawner, with_stdin(spec("cat")));
  finish();
  CHECK(follower.out == "early bird");
}

TEST_CASE_FIXTURE(PuppetFixture,
                  "job: a terminal has the size that was asked for before its first input comes") {
  spawner->starts_at_once = false;
  Job& job = start_stream(spec(""));
  job.resize({41, 123});
  job.input().write("\n");
  Pty terminal;
  REQUIRE(terminal.open({30, 100}) == 0);
  int in[2];
  REQUIRE(uv_pipe(in, 0, UV_NONBLOCK_PIPE) == 0);
  const Descriptor input(in[0]);
  const SizeAtInput size(terminal.slave.get(), input.get());
  spawner->last().events->child_started(0, {in[1], terminal.master.release(), -1});
  CHECK(size.seen.ws_row == 41);
  CHECK(size.seen.ws_col == 123);
  terminal.slave = Descriptor();
  spawner->last().exit(0);
  finish();
}

TEST_CASE_FIXTURE(JobFixture, "job: a command that closes its input is told of, one that ends is not") {
  Gate gate(dir);
  start_stream(with_stdin(spec("exec <&-; echo closed; " + gate.wait())));
  REQUIRE(run_until([&] { return follower.out == "closed\n"; }));
  job->input().write("lost");
  CHECK(follower.closings == 1);
  gate.open_it();
  finish();
  CHECK(follower.closings == 1);
  start_stream(with_stdin(spec("exit 0")));
  job->input().write(std::string(200000, 'x'));  // more than the pipe holds
  finish();
  job->input().write("late");
  run_turns();
  CHECK(follower.taken <= 65536);
}

TEST_CASE_FIXTURE(JobFixture, "job: a signal reaches the whole group, and the command may catch it") {
  Lifeline member(dir);
  start_stream(spec("trap 'echo caught; wait; exit 9' USR1; (" + member.hold() + "exec sleep 1000) & wait"));
  REQUIRE(run_until([&] { return member.has_come(); }));
  job->signal(SIGUSR1);
  CHECK(finish().status == ExitStatus::exited(9));
  CHECK(follower.out == "caught\n");
  CHECK(result->header.reason == Reason::exited);
  CHECK(run_until([&] { return member.is_gone(); }));
}

TEST_CASE_FIXTURE(JobFixture, "job: a signal that comes before there is a child is sent when there is one") {
  JobTerms terms;
  terms.form = ReplyForm::stream;
  make(terms, &follower).signal(SIGUSR2);
  job->start(*spawner, spec("exec sleep 1000"));
  CHECK(finish().status == ExitStatus::killed(SIGUSR2));
  CHECK(result->header.reason == Reason::signal);
}

namespace {

// Its children are born when the test says so, as far as a job is told.
class BirthSpawner final : public Spawner {
 public:
  BirthSpawner(std::unique_ptr<Spawner> real, const bool& is_born)
      : real_(std::move(real)), is_born_(is_born) {}
  std::unique_ptr<Child> spawn(const SpawnSpec& spec, ChildEvents& events) override {
    return std::make_unique<Known>(real_->spawn(spec, events), is_born_);
  }

 private:
  struct Known final : Child {
    Known(std::unique_ptr<Child> child, const bool& born) : real(std::move(child)), told(born) {}
    bool is_born() const override { return told; }
    std::unique_ptr<Child> real;
    const bool& told;
  };

  std::unique_ptr<Spawner> real_;
  const bool& is_born_;
};

bool is_stopped(pid_t child) {
  siginfo_t found{};
  return waitid(P_PID, static_cast<id_t>(child), &found, WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
         found.si_pid == child;
}

}  // namespace

TEST_CASE_FIXTURE(JobFixture, "job: a stop waits until the child runs its program") {
  bool is_born = false;
  spawner = std::make_unique<BirthSpawner>(std::move(spawner), is_born);
  JobTerms terms;
  terms.form = ReplyForm::stream;
  make(terms, &follower).signal(SIGSTOP);
  job->start(*spawner, spec("exec sleep 1000"));
  REQUIRE(run_until([&] { return follower.starts == 1; }));
  run_for(30);
  CHECK_FALSE(is_stopped(follower.pid));
  is_born = true;
  REQUIRE(run_until([&] { return is_stopped(follower.pid); }));
  job->signal(SIGCONT);
  job->signal(SIGTERM);
  CHECK(finish().status == ExitStatus::killed(SIGTERM));
}

TEST_CASE_FIXTURE(JobFixture, "job: a signal behind a stop that waits waits, too") {
  bool is_born = false;
  spawner = std::make_unique<BirthSpawner>(std::move(spawner), is_born);
  start_stream(spec("exec sleep 1000"));
  REQUIRE(run_until([&] { return follower.starts == 1; }));
  job->signal(SIGSTOP);
  job->signal(SIGTERM);
  run_for(30);
  CHECK_FALSE(result.has_value());
  is_born = true;
  job->signal(SIGCONT);
  CHECK(finish().status == ExitStatus::killed(SIGTERM));
}

TEST_CASE_FIXTURE(JobFixture, "job: of signals that wait the last one counts") {
  bool is_born = false;
  spawner = std::make_unique<BirthSpawner>(std::move(spawner), is_born);
  start_stream(spec("exec sleep 1000"));
  REQUIRE(run_until([&] { return follower.starts == 1; }));
  for (const int number : {SIGSTOP, SIGCONT, SIGSTOP}) job->signal(number);
  is_born = true;
  REQUIRE(run_until([&] { return is_stopped(follower.pid); }));
  run_for(10);
  CHECK(is_stopped(follower.pid));
  job->signal(SIGKILL);
  CHECK(finish().status == ExitStatus::killed(SIGKILL));
}

// --- timeouts ---

namespace {

JobTerms timeout_after(std::uint64_t ms) {
  JobTerms terms;
  terms.timeout_ms = ms;
  return terms;
}

JobTerms idle_after(std::uint64_t ms) {
  JobTerms terms;
  terms.idle_ms = ms;
  return terms;
}

}  // namespace

TEST_CASE_FIXTURE(JobFixture,
                  "job: a timeout ends the command with TERM, keeps its output, and is the reason") {
  const std::uint64_t begin = uv_hrtime();
  start_stream(spec("echo before; exec sleep 1000"), timeout_after(100));
  CHECK(finish().reason == Reason::timeout);
  CHECK(elapsed_ms(begin) >= 90);  // a timer counts from the start of its turn
  CHECK(result->header.status == ExitStatus::killed(SIGTERM));
  CHECK(follower.out == "before\n");
  wait_until_over();
}

TEST_CASE_FIXTURE(JobFixture,
                  "job: a timeout kills who ignores TERM after the grace, with all of its group") {
  Lifeline leader(dir, "leader"), member(dir, "member");
  start_stream(spec("trap '' TERM; (" + member.hold() + "exec sleep 1000) & " + leader.hold() +
                    "while :; do sleep 1000; done"),
               timeout_after(300));
  REQUIRE(run_until([&] { return member.has_come() && leader.has_come(); }));
  const std::uint64_t begin = uv_hrtime();
  CHECK(finish().status == ExitStatus::killed(SIGKILL));
  CHECK(elapsed_ms(begin) >= kKillGraceMs - 100);
  CHECK(result->header.reason == Reason::timeout);
  wait_until_over();
  CHECK(run_until([&] { return member.is_gone() && leader.is_gone(); }));
}

TEST_CASE_FIXTURE(JobFixture, "job: a timeout is nothing to a command that ends in time") {
  start_stream(spec("exit 4"), timeout_after(1000000));
  CHECK(finish().reason == Reason::exited);
  CHECK(result->header.status == ExitStatus::exited(4));
  CHECK(over);
}

TEST_CASE_FIXTURE(JobFixture, "job: a command that catches the TERM of a timeout has its own status") {
  start_stream(spec("trap 'exit 12' TERM; echo ready; while :; do sleep 0.01; done"), timeout_after(300));
  CHECK(finish().reason == Reason::timeout);
  CHECK(result->header.status == ExitStatus::exited(12));
  wait_until_over();
}

TEST_CASE_FIXTURE(PuppetFixture,
                  "job: a command that is idle for so long is ended, and each output puts that off") {
  start_stream(spec(""), idle_after(150));
  for (int i = 0; i < 6; ++i) {
    run_for(50);
    spawner->last().write(i % 2, "x");
    REQUIRE(run_until(
        [&] { return follower.out.size() + follower.err.size() == static_cast<std::size_t>(i) + 1; }));
    CHECK_FALSE(job->has_kill_due());
  }
  const std::uint64_t begin = uv_hrtime();
  REQUIRE(run_until([&] { return job->has_kill_due(); }));
  CHECK(elapsed_ms(begin) >= 130);
  spawner->last().leave(0);
  CHECK(finish().reason == Reason::idle_timeout);
  wait_until_over();
}

TEST_CASE_FIXTURE(PuppetFixture, "job: a command whose output waits for its reader is not idle") {
  start_stream(spec(""), idle_after(50));
  follower.room = 0;
  spawner->last().write(0, "waits");
  run_for(300);
  CHECK_FALSE(job->has_kill_due());
  follower.room = kReadBytes;
  job->resume_output(StdStream::out);
  REQUIRE(run_until([&] { return job->has_kill_due(); }));
  CHECK(follower.out == "waits");
  spawner->last().leave(0);
  finish();
  wait_until_over();
}

TEST_CASE_FIXTURE(PuppetFixture, "job: a limit counts from the start, however long the turn took before it") {
  uv_update_time(loop());
  for (const std::uint64_t begin = uv_hrtime(); elapsed_ms(begin) < 200;) continue;
  const std::uint64_t begin = uv_hrtime();
  start_stream(spec(""), timeout_after(250));
  REQUIRE(run_until([&] { return job->has_kill_due(); }));
  CHECK(elapsed_ms(begin) >= 240);
  spawner->last().leave(0);
  finish();
  wait_until_over();
}

TEST_CASE_FIXTURE(PuppetFixture, "job: a limit of 0 ms is none") {
  JobTerms terms = timeout_after(0);
  terms.idle_ms = 0;
  start_stream(spec(""), terms);
  run_for(50);
  CHECK_FALSE(job->has_kill_due());
  spawner->last().leave(0);
  CHECK(finish().reason == Reason::exited);
}

// --- what is left behind ---

TEST_CASE_FIXTURE(JobFixture,
                  "job: with `wait` a grandchild that holds the output is waited for, however long") {
  Gate gate(dir);
  JobTerms terms;
  terms.linger = Linger::wait;
  start_stream(spec("(" + gate.wait() + "echo late) & echo hi"), terms);
  REQUIRE(run_until([&] { return job->state() == JobState::lingering; }));
  run_for(kLingerCapMs + kLingerQuietMs);
  CHECK_FALSE(result.has_value());
  gate.open_it();
  CHECK_FALSE(finish().cut);
  CHECK(follower.out == "hi\nlate\n");
}

TEST_CASE_FIXTURE(JobFixture,
                  "job: with `wait` its limits of time hold until nobody has the output any more") {
  for (const Reason reason : {Reason::timeout, Reason::idle_timeout}) {
    CAPTURE(reason);
    Lifeline member(dir, reason == Reason::timeout ? "timeout" : "idle");
    JobTerms terms = reason == Reason::timeout ? timeout_after(400) : idle_after(400);
    terms.linger = Linger::wait;
    start_stream(spec("(" + member.hold() + "exec sleep 1000) &"), terms);
    const ReplyHeader& header = finish();
    CHECK(header.reason == reason);
    CHECK(header.status == ExitStatus::exited(0));
    CHECK_FALSE(header.cut);
    CHECK(run_until([&] { return member.is_gone(); }));
    wait_until_over();
  }
}

TEST_CASE_FIXTURE(PuppetFixture,
                  "job: with `wait` who can't be found is not waited for when all others were ended") {
  for (const bool exits_first : {true, false}) {
    CAPTURE(exits_first);
    JobTerms terms;
    terms.linger = Linger::wait;
    terms.mark = "RUNWIRE_JOB=unit-job";  // which nobody has
    start_stream(spec(""), terms);
    if (exits_first) spawner->last().exit(0);
    job->end(Reason::client_gone, 20);
    REQUIRE(run_until([&] { return !job->has_kill_due(); }));
    spawner->last().write(0, "kept");
    if (!exits_first) spawner->last().exit(0);
    CHECK(finish().cut);
    CHECK(follower.out == "kept");
    spawner->last().close_all();
    wait_until_over();
  }
}

TEST_CASE_FIXTURE(JobFixture,
                  "job: with `return` nobody is waited for, and all that is there already comes") {
  Gate gate(dir);
  JobTerms terms;
  terms.linger = Linger::now;
  const std::uint64_t begin = uv_hrtime();
  start_stream(spec("(" + gate.wait() + ") & head -c 300000 /dev/zero; echo end"), terms);
  CHECK(finish().cut);
  CHECK(elapsed_ms(begin) < kPatienceMs);
  CHECK(follower.out.size() == 300004);
  CHECK_FALSE(over);
  gate.open_it();
  wait_until_over();
}

TEST_CASE_FIXTURE(JobFixture,
                  "job: with a mark what is told of the end waits until all of it is gone, and says so") {
  Lifeline member(dir);
  JobTerms terms;
  terms.mark = "RUNWIRE_JOB=unit-job";
  start_stream(spec("(trap '' TERM; " + member.hold() + "exec >&- 2>&-; exec sleep 1000) & wait"), terms);
  REQUIRE(run_until([&] { return member.has_come(); }));
  job->end(Reason::client_gone, 100);
  finish();
  CHECK(member.is_gone());
  REQUIRE(result->survivors.has_value());
  CHECK(*result->survivors == 0);
  wait_until_over();
}

TEST_CASE_FIXTURE(JobFixture,
                  "job: nothing is cut of an output that is at its end, however long the rest takes to end") {
  SpawnSpec deaf =
      spec("trap '' TERM; sleep 1000 </dev/null >/dev/null 2>&1 & trap - TERM; echo ready; wait");
  JobTerms terms;
  terms.mark = deaf.mark = "RUNWIRE_JOB=unit-job-" + std::to_string(uv_hrtime());
  Job& ended = start_stream(deaf, terms);
  REQUIRE(run_until([&] { return !follower.out.empty(); }));
  ended.end(Reason::cancelled, 2 * kLingerQuietMs);
  CHECK_FALSE(finish().cut);
  CHECK(result->survivors == 0);
  wait_until_over();
}

TEST_CASE_FIXTURE(JobFixture,
                  "job: survivors are not known of one without a mark, nor of one that ended by itself") {
  JobTerms terms;
  start_stream(spec("exec sleep 1000"), terms);
  job->end(Reason::client_gone, 100);
  finish();
  CHECK_FALSE(result->survivors.has_value());
  wait_until_over();
  terms.mark = "RUNWIRE_JOB=unit-job";
  start_stream(spec("exit 0"), terms);
  finish();
  CHECK_FALSE(result->survivors.has_value());
}

#ifdef __linux__
TEST_CASE_FIXTURE(JobFixture,
                  "job: with a mark its end reaches who has left its session, without one it does not") {
  for (const bool marked : {true, false}) {
    CAPTURE(marked);
    Lifeline daemon(dir, marked ? "marked" : "unmarked");
    Gate gate(dir, marked ? "gate" : "other-gate");
    JobTerms terms;
    SpawnSpec apart = spec("setsid sh -c '" + daemon.hold() + "exec >&- 2>&-; " + gate.wait() + "' & wait");
    if (marked) apart.mark = terms.mark = "RUNWIRE_JOB=unit-job-" + std::to_string(uv_hrtime());
    start_stream(apart, terms);
    REQUIRE(run_until([&] { return daemon.has_come(); }));
    job->end(Reason::timeout, 100);
    finish();
    CHECK(result->header.reason == Reason::timeout);
    CHECK(result->survivors.value_or(-1) == (marked ? 0 : -1));
    CHECK(daemon.is_gone() == marked);
    wait_until_over();
    gate.open_it();
    CHECK(run_until([&] { return daemon.is_gone(); }));
  }
}
#endif

// --- what was the client's own wish ---

TEST_CASE_FIXTURE(JobFixture,
                  "job: what the client chose itself and could not be had is named, with a next step") {
  SpawnSpec wrong = spec("true");
  wrong.cwd = "/no/such/directory";
  make({}, nullptr).start(*spawner, wrong, {false, true});
  CHECK(finish().error->message ==
        "the command could not be started: cwd: /no/such/directory: no such file or directory; name a "
        "directory "
        "that is there");
  wrong = spec("");
  wrong.argv = {"/no/such/program"};
  make({}, nullptr).start(*spawner, wrong, {true, false});
  CHECK(finish().error->message ==
        "the command could not be started: exec: /no/such/program: no such file or directory; check the "
        "program's name, and PATH there");
  wrong.argv = {"/etc"};
  make({}, nullptr).start(*spawner, wrong, {true, false});
  CHECK(finish().error->message ==
        "the command could not be started: exec: /etc: permission denied; make it executable for runwired's "
        "user, "
        "or name another program");
}

TEST_CASE_FIXTURE(JobFixture, "job: of a name that is too long to be shown the error shows the beginning") {
  SpawnSpec wrong = spec("");
  wrong.argv = {"/" + std::string(100000, 'x')};
  make({}, nullptr).start(*spawner, wrong, {true, false});
  const std::string& message = finish().error->message;
  CHECK(message.find(": /xxx") != message.npos);
  CHECK(message.find("xxx...: ") != message.npos);
  CHECK(message.size() < 1000);
}

TEST_CASE_FIXTURE(JobFixture, "job: a name that is no text is shown as text") {
  SpawnSpec wrong = spec("");
  wrong.argv = {"/no/\xff\n" + std::string(200, '\x01')};
  make({}, nullptr).start(*spawner, wrong, {true, false});
  const std::string& message = finish().error->message;
  CHECK(message.find(R"("/no/\xff\n\x01)") != message.npos);
  CHECK(message.size() < 1500);
}
