#include <doctest/doctest.h>

#include <csignal>

#include "client/job_list.hpp"

using namespace runwire;

namespace {

JobInfo finished(std::optional<ExitStatus> status, std::optional<Reason> reason) {
  JobInfo job;
  job.id = "a";
  job.phase = JobPhase::finished;
  job.command = "x";
  job.who = "unix";
  job.status = status;
  job.reason = reason;
  return job;
}

bool shows(const JobInfo& job, std::string_view what) {
  return job_table({job}).find(" " + std::string(what) + " ") != std::string::npos;
}

}  // namespace

TEST_CASE("job list: a heading and a line for each, as wide as it takes, no blanks at the end") {
  JobInfo job;
  job.id = "abcdefghij";
  job.phase = JobPhase::waiting;
  job.command = "make";
  job.stdout_bytes = 7;
  job.stderr_bytes = 5;
  CHECK(job_table({job}) ==
        "ID          STATE    AGE  OUT  CLIENTS  STATUS  WHO  COMMAND\n"
        "abcdefghij  waiting  0s   12   0        -            make\n");
}

TEST_CASE("job list: without jobs there is no heading either") { CHECK(job_table({}).empty()); }

TEST_CASE("job list: a status is what `runwire wait` exits with, and why where that does not say it") {
  CHECK(shows(finished(ExitStatus::exited(3), Reason::exited), "3"));
  CHECK(shows(finished(ExitStatus::killed(SIGKILL), Reason::signal), "137 KILL"));
  CHECK(shows(finished(ExitStatus::killed(SIGTERM), Reason::timeout), "124 timeout"));
  CHECK(shows(finished(ExitStatus::exited(0), Reason::idle_timeout), "124 idle-timeout"));
  CHECK(shows(finished(ExitStatus::killed(SIGTERM), Reason::cancelled), "143 cancelled"));
  CHECK(shows(finished(ExitStatus::exited(0), Reason::output_limit), "255 output-limit"));
  CHECK(shows(finished(std::nullopt, std::nullopt), "never ran"));
}

TEST_CASE("job list: ages are told in the unit that suits them") {
  JobInfo job;
  const std::pair<std::uint64_t, const char*> ages[] = {
      {999, "0s"}, {119999, "119s"}, {120000, "2m"}, {7200000, "2h"}, {172800000, "2d"}};
  for (const auto& [ms, text] : ages) {
    job.age_ms = ms;
    CHECK(shows(job, text));
  }
}

TEST_CASE("job list: what the server says cannot steer a terminal") {
  JobInfo job;
  job.command = "ls \x1b[2J\n";
  CHECK(job_table({job}).find("ls \\x1b[2J\\x0a") != std::string::npos);
}
