#include <unistd.h>

#include "server/process_state.hpp"
#include "tests/job_fixture.hpp"

using namespace runwire;
using namespace runwire::test;

#ifdef __linux__

TEST_CASE_FIXTURE(JobFixture, "process state: one that computes wants a processor") {
  CHECK(wants_processor(getpid()));
}

TEST_CASE_FIXTURE(JobFixture, "process state: one that waits wants none, whatever it is called") {
  start("cp /bin/sleep './a) R (b'; exec './a) R (b' 1000");
  REQUIRE(run_until([&] { return job->state() == JobState::running && !job->wants_processor(); }));
  job->kill_now(Reason::client_gone);
  finish();
}

#endif

TEST_CASE("process state: one that is not there wants none") {
  CHECK_FALSE(wants_processor(0));
  CHECK_FALSE(wants_processor(-1));
}
