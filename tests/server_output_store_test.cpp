#include <string>

#include "server/output_store.hpp"
#include "tests/loop_fixture.hpp"
#include "tests/scratch_dir.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

class StoreFixture : public LoopFixture {
 public:
  // Every buffer of the pool.
  std::vector<SpillFile::Buffer> take_all() {
    std::vector<SpillFile::Buffer> taken(kSpillBuffers);
    for (auto& buffer : taken) buffer = store.take_buffer();
    return taken;
  }

  OutputStore store{loop(), "/nowhere"};
};

}  // namespace

TEST_CASE_FIXTURE(StoreFixture, "output store: lends a bounded number of buffers") {
  const auto taken = take_all();
  for (const auto& buffer : taken) CHECK(buffer != nullptr);
  CHECK(store.take_buffer() == nullptr);
}

TEST_CASE_FIXTURE(LoopFixture, "output store: lends as many buffers as it was told, and wakes for no more") {
  OutputStore two(loop(), "/nowhere", 2);
  std::vector<SpillFile::Buffer> taken{two.take_buffer(), two.take_buffer()};
  CHECK(taken[1] != nullptr);
  CHECK(two.take_buffer() == nullptr);
  int told = 0;
  for (const char* name : {"a", "b"}) {
    two.wait_for_buffer(name, [&] {
      ++told;
      taken.push_back(two.take_buffer());
    });
  }
  taken[0].reset();
  run_turns();
  CHECK(told == 1);
  CHECK(taken[2] != nullptr);
}

TEST_CASE_FIXTURE(StoreFixture,
                  "output store: a buffer that was let go is lent again, also after many rounds") {
  auto taken = take_all();
  for (int round = 0; round < 100; ++round) {
    taken[0].reset();
    taken[0] = store.take_buffer();
    REQUIRE(taken[0] != nullptr);
    REQUIRE(store.take_buffer() == nullptr);
  }
}

TEST_CASE_FIXTURE(StoreFixture, "output store: who waits for a buffer is told in a later turn, in order") {
  auto taken = take_all();
  std::string told;
  std::vector<SpillFile::Buffer> got;
  for (const char* name : {"a", "b", "c"})
    store.wait_for_buffer(name, [&, name] {
      told += name;
      got.push_back(store.take_buffer());
    });
  taken[0].reset();
  CHECK(told.empty());  // whoever let go may be half destroyed
  run_turns();
  CHECK(told == "a");
  taken[1].reset();
  taken[2].reset();
  run_turns();
  CHECK(told == "abc");
  for (const auto& buffer : got) CHECK(buffer != nullptr);
}

TEST_CASE_FIXTURE(StoreFixture,
                  "output store: who does not take the buffer it was told of keeps nobody waiting") {
  auto taken = take_all();
  std::string told;
  for (const char* name : {"a", "b", "c"}) store.wait_for_buffer(name, [&, name] { told += name; });
  taken[0].reset();
  CHECK(run_until([&] { return told == "abc"; }));
}

TEST_CASE_FIXTURE(StoreFixture, "output store: who is forgotten is not told") {
  auto taken = take_all();
  std::string told;
  const int gone = 0, stays = 0;
  store.wait_for_buffer(&gone, [&] { told += "gone"; });
  store.wait_for_buffer(&stays, [&] { told += "stays"; });
  store.forget(&gone);
  taken[0].reset();
  CHECK(run_until([&] { return !told.empty(); }));
  CHECK(told == "stays");
}

TEST_CASE_FIXTURE(LoopFixture, "output store: may die before a thread has let go of a buffer") {
  SpillFile::Buffer kept;
  {
    OutputStore store(loop(), "/nowhere");
    kept = store.take_buffer();
  }
  kept[kSpillBufferBytes - 1] = 'x';
  kept.reset();
}
