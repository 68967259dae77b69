#include <doctest/doctest.h>

#include <sstream>
#include <vector>

#include "server/log.hpp"
#include "server/refusal_log.hpp"
#include "tests/captured_stream.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

template <class Body> std::vector<std::string> lines_of(Body body) {
  log::set_level(log::Level::info);
  CapturedStream stderr_text(STDERR_FILENO);
  body();
  std::istringstream text(stderr_text.text());
  log::set_level(log::Level::error);
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line.substr(line.find("event=")));
  return lines;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("refusal log: one line a minute for each kind, however often it comes") {
  RefusalLog refusals;
  CHECK(lines_of([&] {
          for (std::uint64_t ms = 0; ms < 60000; ms += 100) refusals.refused("http", ms, "", ms);
        }) == Lines{"event=refused conn=0 reason=http"});
}

TEST_CASE("refusal log: kinds do not silence one another") {
  RefusalLog refusals;
  CHECK(lines_of([&] {
          refusals.refused("http", 1, "", 0);
          refusals.refused("tls", 2, "", 1);
        }) == Lines{"event=refused conn=1 reason=http", "event=refused conn=2 reason=tls"});
}

TEST_CASE("refusal log: after a minute the next one is told, with how many were not") {
  RefusalLog refusals;
  CHECK(lines_of([&] {
          refusals.refused("http", 1, "", 5000);
          refusals.refused("http", 2, "", 6000);
          refusals.refused("http", 3, "", 64999);
          refusals.refused("http", 4, "", 65000);
          refusals.refused("http", 5, "", 125000);
        }) == Lines{"event=refused conn=1 reason=http", "event=refused conn=4 reason=http suppressed=2",
                    "event=refused conn=5 reason=http"});
}

TEST_CASE("refusal log: a detail is told where there is one") {
  RefusalLog refusals;
  CHECK(lines_of([&] { refusals.refused("other-user", 9, "uid 1001", 0); }) ==
        Lines{"event=refused conn=9 reason=other-user detail=\"uid 1001\""});
}
