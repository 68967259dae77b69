#include <set>

#include "server/young_window.hpp"
#include "tests/loop_fixture.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

struct WindowFixture : LoopFixture {
  YoungWindow window{
      loop(), 2, {[this] { ++told; }, [this](JobId id) { return ++looks, busy.contains(id); }}};
  std::set<JobId> busy;
  int looks = 0;
  int told = 0;
};

}  // namespace

TEST_CASE_FIXTURE(WindowFixture, "a young window has room until its places are taken") {
  window.enter(1);
  CHECK(window.has_room());
  window.enter(2);
  CHECK_FALSE(window.has_room());
}

TEST_CASE_FIXTURE(WindowFixture, "a command that ends gives its place back, in whatever order") {
  window.enter(1);
  window.enter(2);
  window.leave(2);
  CHECK(window.has_room());
  window.enter(3);
  CHECK_FALSE(window.has_room());
  window.leave(1);
  CHECK(window.has_room());
}

TEST_CASE_FIXTURE(WindowFixture,
                  "a command that lives on grows up, and whoever waits for its place is told") {
  window.enter(1);
  window.enter(2);
  window.await_room();
  REQUIRE(run_until([this] { return told > 0; }));
  CHECK(window.has_room());
}

TEST_CASE_FIXTURE(WindowFixture, "the end of a command that has grown up gives no second place") {
  window.enter(1);
  window.enter(2);
  window.await_room();
  REQUIRE(run_until([this] { return told > 0; }));
  window.enter(3);
  window.leave(1);
  CHECK(window.has_room());
  window.enter(4);
  CHECK_FALSE(window.has_room());
}

TEST_CASE_FIXTURE(WindowFixture,
                  "a command that fights for a processor stays young while others wait for its place") {
  busy = {1, 2};
  window.enter(1);
  window.enter(2);
  window.await_room();
  REQUIRE(run_until([this] { return looks >= 4; }));
  CHECK(told == 0);
  busy = {2};
  REQUIRE(run_until([this] { return told == 1; }));
  window.enter(3);
  CHECK_FALSE(window.has_room());
}

TEST_CASE_FIXTURE(WindowFixture,
                  "a command that fights for a processor without an end grows up all the same") {
  busy = {1, 2};
  window.enter(1);
  window.enter(2);
  const std::uint64_t begun = uv_hrtime();
  window.await_room();
  REQUIRE(run_until([this] { return told == 1; }));
  CHECK(uv_hrtime() - begun >= (kGrownUpMs - kYoungMs) * 1000000);
}

TEST_CASE_FIXTURE(WindowFixture, "nobody is looked at while there is room") {
  window.enter(1);
  bool over = false;
  const auto timer = make_timer(loop(), &over);
  uv_timer_start(
      timer.get(), [](uv_timer_t* due) { *static_cast<bool*>(due->data) = true; }, 3 * kYoungMs, 0);
  REQUIRE(run_until([&] { return over; }));
  CHECK(window.has_room());
  CHECK(looks == 0);
}
