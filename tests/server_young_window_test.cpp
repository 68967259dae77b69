#include "server/young_window.hpp"
#include "tests/loop_fixture.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

struct WindowFixture : LoopFixture {
  YoungWindow window{loop(), 2, [this] { ++told; }};
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
