// A running command that goes on in a program which has taken this one's place.
#include <csignal>

#include "server/child_stdio.hpp"
#include "server/job.hpp"
#include "tests/forked_child.hpp"
#include "tests/job_fixture.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

double now_ms() { return static_cast<double>(uv_hrtime()) / 1e6; }

// A command of the program before: a child that no spawner here has started, and our ends of its pipes.
class MovedFixture : public JobFixture {
 public:
  template <class Body> RunningJob child_of_before(Body body) {
    SpawnSpec how;
    how.takes_stdin = true;
    ChildStdio stdio;
    REQUIRE(stdio.open(how).error == 0);
    ForkedChild child([&] {
      for (const int number : {0, 1, 2}) dup2(stdio.of_child(number), number);
      stdio.close_ends_of_child();
      const ChildStreams ours = stdio.take_ours();
      for (const int fd : {ours.in, ours.out, ours.err}) close(fd);
      return body();
    });
    stdio.close_ends_of_child();
    RunningJob running;
    running.pid = child.release();
    running.started_ms = now_ms();
    running.last_output_ms = uv_now(loop());
    running.streams = stdio.take_ours();
    return running;
  }
  Job& take_over(RunningJob running, JobTerms terms = {}) {
    terms.form = ReplyForm::stream;
    make(std::move(terms), &follower).take_over(*spawner, std::move(running));
    return *job;
  }
};

int echo_and_say_bye() {
  std::array<char, 64> bytes{};
  for (ssize_t n; (n = read(0, bytes.data(), bytes.size())) > 0;)
    if (write(1, bytes.data(), static_cast<std::size_t>(n)) != n) return 1;
  return write(2, "bye", 3) == 3 ? 7 : 1;
}

}  // namespace

TEST_CASE_FIXTURE(MovedFixture, "job, moved: its input, output and status go on where they were") {
  RunningJob running = child_of_before(echo_and_say_bye);
  running.input.bytes = "left over ";
  running.handed_on = {100, 10};
  Job& moved = take_over(std::move(running));
  moved.input().write("and new");
  moved.input().end();
  const ReplyHeader& header = finish();
  CHECK(header.status == ExitStatus::exited(7));
  CHECK(header.reason == Reason::exited);
  CHECK(follower.out == "left over and new");
  CHECK(follower.err == "bye");
  CHECK(header.stdout_bytes == 117u);
  CHECK(header.stderr_bytes == 13u);
  CHECK(follower.starts == 0);
}

TEST_CASE_FIXTURE(MovedFixture, "job, moved: an end of input that was under way is not lost") {
  RunningJob running = child_of_before(echo_and_say_bye);
  running.input.is_at_end = true;
  take_over(std::move(running));
  CHECK(finish().status == ExitStatus::exited(7));
}

TEST_CASE_FIXTURE(MovedFixture, "job, moved: of its time only the rest is left") {
  RunningJob running = child_of_before(live);
  running.timeout_due_ms = uv_now(loop()) + 1;
  JobTerms terms;
  terms.timeout_ms = 1000000;
  take_over(std::move(running), terms);
  CHECK(finish().status == ExitStatus::killed(SIGTERM));
  CHECK(result->header.reason == Reason::timeout);
}

TEST_CASE_FIXTURE(MovedFixture,
                  "job, moved: one that was reaped before, but whose output is held, goes on lingering") {
  RunningJob running = child_of_before([] { return 0; });
  int status = 0;
  REQUIRE(waitpid(running.pid, &status, 0) == running.pid);
  running.end = ChildEnd(ExitStatus::exited(0));
  take_over(std::move(running));
  CHECK(finish().status == ExitStatus::exited(0));
}

TEST_CASE_FIXTURE(JobFixture,
                  "job, moved: what goes on is told: process, descriptors, input that has not left") {
  SpawnSpec stopped = spec("kill -STOP $$; cat");
  stopped.takes_stdin = true;
  Job& moving = start_stream(stopped);
  REQUIRE(run_until([&] { return moving.can_move(); }));
  moving.input().write(std::string(300000, 'x'));
  moving.input().end();
  const RunningJob running = moving.running();
  CHECK(running.pid == follower.pid);
  CHECK(running.streams.in >= 0);
  CHECK(running.streams.out >= 0);
  CHECK(running.streams.err >= 0);
  CHECK(running.input.bytes.size() + follower.taken == 300000);
  CHECK(running.input.bytes.size() >= 300000 - 65536);
  CHECK(running.input.is_at_end);
  moving.kill_now(Reason::cancelled);
  finish();
}

TEST_CASE_FIXTURE(JobFixture,
                  "job, moved: one that is being ended goes on so; one whose reply is whole stays") {
  Job& ended = start_stream(spec("trap '' TERM; echo ready; while :; do sleep 1000; done"));
  REQUIRE(run_until([&] { return !follower.out.empty(); }));
  ended.end(Reason::cancelled, 100);
  REQUIRE(ended.can_move());
  const RunningJob running = ended.running();
  CHECK(running.ending == Reason::cancelled);
  CHECK(running.termination.has_begun);
  CHECK(running.termination.kill_due_ms.value_or(0) >= uv_now(loop()));
  finish();
  CHECK_FALSE(start("sleep 1000").can_move());
  job->kill_now(Reason::cancelled);
  finish();
}

TEST_CASE_FIXTURE(MovedFixture,
                  "job, moved: one that was told to end has the rest of its grace, and the reason") {
  RunningJob running = child_of_before([] {
    std::signal(SIGTERM, SIG_IGN);
    return live();
  });
  running.ending = Reason::timeout;
  running.timeout_due_ms = uv_now(loop()) - 1;  // that was why; it does not come again
  running.termination = {true, 0, uv_now(loop()) + 20};
  JobTerms terms;
  terms.timeout_ms = 1000;
  take_over(std::move(running), terms);
  CHECK(job->has_kill_due());
  const ReplyHeader& header = finish();
  CHECK(header.status == ExitStatus::killed(SIGKILL));
  CHECK(header.reason == Reason::timeout);
}

TEST_CASE_FIXTURE(MovedFixture,
                  "job, moved: what was left of one that could not be ended is told at its end") {
  RunningJob running = child_of_before(live);
  running.ending = Reason::cancelled;
  running.termination = {true, 25, {}, 2};
  running.timeout_due_ms = uv_now(loop());  // of no meaning any more
  JobTerms terms;
  terms.timeout_ms = 1000;
  take_over(std::move(running), terms);
  run_turns();
  CHECK_FALSE(job->has_kill_due());
  REQUIRE(kill(job->running().pid, SIGKILL) == 0);
  CHECK(finish().reason == Reason::cancelled);
  CHECK(result->survivors == 2);
}

TEST_CASE_FIXTURE(MovedFixture, "job, moved: one of which nothing is left by now is over in a later turn") {
  RunningJob running;
  running.pid = 1 << 30;  // nobody
  running.ending = Reason::cancelled;
  running.termination = {true, 0, uv_now(loop()) + 1000000};
  running.end = ChildEnd(ExitStatus::killed(SIGTERM));
  JobTerms terms;
  terms.mark = "RUNWIRE_JOB=unit-moved";
  take_over(std::move(running), terms);
  CHECK_FALSE(result.has_value());
  CHECK(finish().reason == Reason::cancelled);
  CHECK(result->survivors == 0);
}

TEST_CASE_FIXTURE(MovedFixture, "job, moved: a signal that had to wait is sent") {
  RunningJob running = child_of_before(live);
  running.signals = {SIGUSR1};
  take_over(std::move(running));
  CHECK(finish().status == ExitStatus::killed(SIGUSR1));
}

TEST_CASE_FIXTURE(MovedFixture,
                  "job, moved: of one that was reaped before, the rest of its group is still stopped") {
  RunningJob running = child_of_before([] {
    setpgid(0, 0);
    std::signal(SIGTSTP, [](int) { _exit(write(1, "told", 4) == 4 ? 0 : 1); });
    return fork() == 0 ? live() : 0;
  });
  int status = 0;
  REQUIRE(waitpid(running.pid, &status, 0) == running.pid);
  running.end = ChildEnd(ExitStatus::exited(0));
  running.signals = {SIGTSTP};
  JobTerms terms;
  terms.linger = Linger::wait;
  take_over(std::move(running), terms);
  CHECK(job->running().signals.empty());
  CHECK(run_until([&] { return follower.out == "told"; }));
  job->kill_now(Reason::cancelled);
  finish();
  wait_until_over();
}

TEST_CASE_FIXTURE(MovedFixture, "job, moved: what comes for a command that reads no more is not kept") {
  RunningJob running = child_of_before(live);
  close(std::exchange(running.streams.in, -1));
  Job& moved = take_over(std::move(running));
  moved.input().write("lost");
  CHECK(moved.input().rest().bytes.empty());
  moved.kill_now(Reason::cancelled);
  finish();
}

// However often it moves, a background process holds it up no longer than that.
TEST_CASE_FIXTURE(MovedFixture, "job, moved: of the time that a reaped one lingers only the rest is left") {
  Pipe held;
  REQUIRE(held.open_from_child() == 0);
  RunningJob running;
  running.pid = 1 << 30;  // nobody
  running.streams.out = held.read_end.release();
  running.end = ChildEnd(ExitStatus::exited(0));
  running.lingers_since_ms = uv_now(loop()) - kLingerCapMs;
  running.read_since_exit = 1;
  take_over(std::move(running));
  run_turns(3);
  REQUIRE(result.has_value());
  CHECK(result->header.cut);
  held.write_end = Descriptor();
  wait_until_over();
}

// Its end was under way, and its output had been given up.
TEST_CASE_FIXTURE(MovedFixture, "job, moved: of one whose output was cut nothing more is recorded") {
  Pipe held;
  REQUIRE(held.open_from_child() == 0);
  REQUIRE(write(held.write_end.get(), "late", 4) == 4);
  held.write_end = Descriptor();
  RunningJob running;
  running.pid = 1 << 30;  // nobody
  running.streams.out = held.read_end.release();
  running.handed_on = {5, 0};
  running.ending = Reason::cancelled;
  running.termination = {true, 0, uv_now(loop()) + 1000000};
  running.end = ChildEnd(ExitStatus::killed(SIGTERM));
  running.cut = true;
  JobTerms terms;
  terms.mark = "RUNWIRE_JOB=unit-cut";
  take_over(std::move(running), terms);
  CHECK(job->running().cut);
  const ReplyHeader& header = finish();
  CHECK(follower.out.empty());
  CHECK(header.stdout_bytes == 5u);
  CHECK(header.cut);
  wait_until_over();
}

TEST_CASE_FIXTURE(JobFixture, "job, moved: that its output was cut while it is being ended is told") {
  SpawnSpec deaf = spec("trap '' TERM; sleep 1000 & trap - TERM; echo ready; wait");
  JobTerms terms;
  terms.mark = deaf.mark = "RUNWIRE_JOB=" + std::to_string(getpid()) + ".cut";
  Job& ended = start_stream(deaf, terms);
  REQUIRE(run_until([&] { return !follower.out.empty(); }));
  ended.end(Reason::cancelled, 1000000);
  CHECK(run_until([&] { return ended.running().cut; }));
  CHECK(ended.can_move());
  ended.kill_now(Reason::cancelled);
  CHECK(finish().cut);
  wait_until_over();
}

TEST_CASE_FIXTURE(PuppetFixture,
                  "job, moved: what was said to one that waits is told, and heard by another") {
  Job& waits = make({}, &follower);
  waits.input().write("ahead");
  waits.input().end();
  waits.signal(SIGTERM);
  waits.signal(SIGSTOP);
  waits.stop_output(StdStream::err);
  const SaidAhead said = waits.said_ahead();
  CHECK(said.input.bytes == "ahead");
  CHECK(said.input.is_at_end);
  CHECK(said.signals == std::vector<int>{SIGTERM, SIGSTOP});
  CHECK(said.stops == std::array<bool, 2>{false, true});
  JobTerms terms;
  terms.form = ReplyForm::stream;
  Job& next = make(terms, &follower);
  next.hear(said);
  CHECK(next.said_ahead().signals == said.signals);
  SpawnSpec reads = spec("reads");
  reads.takes_stdin = true;
  next.start(*spawner, reads);
  PuppetSpawner::Puppet& puppet = spawner->last();
  REQUIRE(run_until([&] { return puppet.read_input(), puppet.input_ended; }));
  CHECK(puppet.input == "ahead");
  CHECK(is_hung_up(puppet.ends[1]) == false);
  std::signal(SIGPIPE, SIG_IGN);
  CHECK(write(puppet.ends[1], "x", 1) == -1);  // nobody reads there
  puppet.leave(0);
  finish();
}
