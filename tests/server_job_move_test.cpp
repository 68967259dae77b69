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
  running.input = "left over ";
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
  running.input_is_at_end = true;
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
  CHECK(running.input.size() + follower.taken == 300000);
  CHECK(running.input.size() >= 300000 - 65536);
  CHECK(running.input_is_at_end);
  moving.kill_now(Reason::cancelled);
  finish();
}

TEST_CASE_FIXTURE(JobFixture,
                  "job, moved: one that is being ended stays, and so does one whose reply is whole") {
  Job& ended = start_stream(spec("trap '' TERM; echo ready; while :; do sleep 1000; done"));
  REQUIRE(run_until([&] { return !follower.out.empty(); }));
  CHECK(ended.can_move());
  ended.end(Reason::cancelled, 1);
  CHECK_FALSE(ended.can_move());
  finish();
  CHECK_FALSE(start("sleep 1000").can_move());
  job->kill_now(Reason::cancelled);
  finish();
}
