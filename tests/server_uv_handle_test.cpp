#include "server/uv_handle.hpp"
#include "tests/loop_fixture.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

struct Owner {
  int calls = 0;
  void on_timer() { ++calls; }
};

void start_now(uv_timer_t* timer) { uv_timer_start(timer, deliver<&Owner::on_timer>, 0, 0); }

struct Counted {
  explicit Counted(int& dead) : dead_(dead) {}
  ~Counted() { ++dead_; }
  int& dead_;
};

}  // namespace

TEST_CASE_FIXTURE(LoopFixture, "uv handle: a callback reaches its owner") {
  Owner owner;
  const auto timer = make_timer(loop(), &owner);
  start_now(timer.get());
  CHECK(run_until([&] { return owner.calls == 1; }));
}

TEST_CASE_FIXTURE(LoopFixture, "uv handle: a callback whose owner has gone is dropped") {
  Owner owner;
  auto timer = make_timer(loop(), &owner);
  start_now(timer.get());
  timer->data = nullptr;
  run_turns();
  CHECK(owner.calls == 0);
}

TEST_CASE_FIXTURE(LoopFixture, "uv handle: the owner may die before libuv has closed the handle") {
  auto owner = std::make_unique<Owner>();
  auto timer = make_timer(loop(), owner.get());
  start_now(timer.get());
  timer.reset();
  owner.reset();
  run_turns();
}

TEST_CASE_FIXTURE(LoopFixture, "uv handle: one whose init fails is empty, and nothing is closed") {
  const auto none = make_handle<uv_timer_t>(nullptr, [](uv_timer_t*) { return UV_ENOMEM; });
  CHECK(none == nullptr);
}

TEST_CASE_FIXTURE(LoopFixture, "after turn: runs once however often it was armed, and not at once") {
  int runs = 0;
  AfterTurn after(loop(), [&] { ++runs; });
  after.arm();
  after.arm();
  CHECK(runs == 0);
  run_turns();
  CHECK(runs == 1);
}

TEST_CASE_FIXTURE(LoopFixture, "after turn: what it runs may arm it again") {
  int runs = 0;
  AfterTurn* again = nullptr;
  AfterTurn after(loop(), [&] {
    if (++runs < 3) again->arm();
  });
  again = &after;
  after.arm();
  CHECK(run_until([&] { return runs == 3; }));
  run_turns();
  CHECK(runs == 3);
}

TEST_CASE_FIXTURE(LoopFixture, "after turn: dies armed without running") {
  int runs = 0;
  {
    AfterTurn(loop(), [&] { ++runs; }).arm();
  }
  run_turns();
  CHECK(runs == 0);
}

TEST_CASE_FIXTURE(LoopFixture, "retire list: frees what was retired after the turn, not inside of it") {
  int dead = 0;
  RetireList<Counted> retired(loop());
  retired.add(std::make_unique<Counted>(dead));
  retired.add(std::make_unique<Counted>(dead));
  CHECK(dead == 0);
  run_turns();
  CHECK(dead == 2);
}

TEST_CASE_FIXTURE(LoopFixture, "retire list: what dies may retire something else") {
  struct Chain {
    RetireList<Chain>& list;
    std::unique_ptr<Chain> next;
    int& dead;
    ~Chain() {
      ++dead;
      if (next) list.add(std::move(next));
    }
  };
  int dead = 0;
  RetireList<Chain> retired(loop());
  retired.add(std::unique_ptr<Chain>(
      new Chain{retired, std::unique_ptr<Chain>(new Chain{retired, nullptr, dead}), dead}));
  CHECK(run_until([&] { return dead == 2; }));
}

TEST_CASE_FIXTURE(LoopFixture, "retire list: frees what is left when it dies itself") {
  int dead = 0;
  { RetireList<Counted>(loop()).add(std::make_unique<Counted>(dead)); }
  CHECK(dead == 1);
}
