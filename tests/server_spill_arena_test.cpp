#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <vector>

#include "server/spill_arena.hpp"
#include "tests/full_disk.hpp"
#include "tests/loop_fixture.hpp"
#include "tests/scratch_dir.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

class ArenaFixture : public LoopFixture {
 public:
  using Block = SpillArena::Block;

  // A new arena in place of the old one.
  void make(std::uint64_t max_bytes) { arena = std::make_unique<SpillArena>(store, max_bytes); }

  ssize_t write(Block block, std::string bytes) {
    std::optional<ssize_t> done;
    arena->write(block, std::make_shared<const std::string>(std::move(bytes)),
                 [&](ssize_t count) { done = count; });
    CHECK_FALSE(done.has_value());  // in a later turn, always
    REQUIRE(run_until([&] { return done.has_value(); }));
    return *done;
  }
  std::string read(SpillArena& from, Block block, std::size_t offset, std::size_t size) {
    const SpillFile::Buffer room(new char[size]);
    std::optional<ssize_t> done;
    from.read(block, offset, size, room, [&](ssize_t count) { done = count; });
    REQUIRE(run_until([&] { return done.has_value(); }));
    REQUIRE(*done >= 0);
    return {room.get(), static_cast<std::size_t>(*done)};
  }
  std::string read(Block block, std::size_t offset, std::size_t size) {
    return read(*arena, block, offset, size);
  }
  Block wait_for_block() {
    std::optional<Block> block;
    REQUIRE(run_until([&] { return block || (block = arena->take()); }));
    return *block;
  }
  std::uint64_t disk_bytes() const {
    struct stat facts {};
    REQUIRE(fstat(arena->fd(), &facts) == 0);
    return static_cast<std::uint64_t>(facts.st_blocks) * 512;
  }

  ScratchDir dir;
  OutputStore store{loop(), dir.path()};
  std::unique_ptr<SpillArena> arena = std::make_unique<SpillArena>(store, 4 * kBlockBytes);
};

std::string whole_block(char filled_with) { return std::string(kBlockBytes, filled_with); }

}  // namespace

TEST_CASE_FIXTURE(ArenaFixture,
                  "spill arena: touches no disk before a block is taken, and has no name then") {
  CHECK(arena->fd() == -1);
  REQUIRE(arena->take().has_value());
  CHECK(arena->fd() >= 0);
  CHECK(dir.is_empty());
}

TEST_CASE_FIXTURE(ArenaFixture, "spill arena: gives back what was written, from any place of a block") {
  const Block first = arena->take().value(), second = arena->take().value();
  CHECK(write(second, whole_block('2')) == kBlockBytes);
  CHECK(write(first, "hello world") == 11);
  CHECK(read(first, 0, 11) == "hello world");
  CHECK(read(first, 6, 3) == "wor");
  CHECK((read(second, 0, kBlockBytes) == whole_block('2')));
}

TEST_CASE_FIXTURE(ArenaFixture, "spill arena: has as many blocks as fit, and again when one was given back") {
  std::vector<Block> taken;
  while (const auto block = arena->take()) taken.push_back(*block);
  CHECK(taken.size() == 4);
  CHECK(arena->bytes_in_use() == 4 * kBlockBytes);
  CHECK(arena->failure().empty());
  arena->give_back(taken[1]);
  CHECK(arena->bytes_in_use() == 3 * kBlockBytes);
  CHECK(wait_for_block() == taken[1]);
}

TEST_CASE_FIXTURE(ArenaFixture, "spill arena: what is given back takes no disk any more, the rest stays") {
  std::vector<Block> taken;
  while (const auto block = arena->take()) taken.push_back(*block);
  for (const Block block : taken) CHECK(write(block, whole_block('x')) == kBlockBytes);
  const std::uint64_t full = disk_bytes();
  REQUIRE(full >= 4 * kBlockBytes);
  for (const Block block : {taken[3], taken[0], taken[2]}) arena->give_back(block);
  REQUIRE(run_until([&] { return arena->is_idle(); }));
  CHECK(disk_bytes() <= full - 3 * kBlockBytes);
  CHECK((read(taken[1], 0, kBlockBytes) == whole_block('x')));
}

TEST_CASE_FIXTURE(ArenaFixture,
                  "spill arena: a block that goes from hand to hand holds its last owner's bytes") {
  make(kBlockBytes);
  for (const char owner : {'a', 'b', 'c', 'd'}) {
    const Block block = wait_for_block();
    CHECK(write(block, whole_block(owner)) == kBlockBytes);
    CHECK((read(block, 0, kBlockBytes) == whole_block(owner)));
    arena->give_back(block);
  }
}

TEST_CASE_FIXTURE(ArenaFixture,
                  "spill arena: more writes and reads than are under way at once are all done") {
  make(64 * kBlockBytes);
  std::vector<Block> taken;
  while (const auto block = arena->take()) taken.push_back(*block);
  std::size_t done = 0;
  for (const Block block : taken)
    arena->write(block, std::make_shared<const std::string>(whole_block(static_cast<char>('0' + block))),
                 [&](ssize_t count) { done += count == kBlockBytes ? 1 : 0; });
  REQUIRE(run_until([&] { return done == taken.size(); }));
  for (const Block block : taken) CHECK(read(block, 9, 1)[0] == static_cast<char>('0' + block));
}

TEST_CASE_FIXTURE(ArenaFixture, "spill arena: a held block is given back with its last owner") {
  auto hold = arena->hold(arena->take().value());
  auto other = hold;
  hold.reset();
  CHECK(arena->bytes_in_use() == kBlockBytes);
  other.reset();
  CHECK(arena->bytes_in_use() == 0);
}

TEST_CASE_FIXTURE(ArenaFixture, "spill arena: who waits for a block is told in a later turn, in order") {
  make(2 * kBlockBytes);
  const Block first = arena->take().value(), second = arena->take().value();
  std::string told;
  for (const char* name : {"a", "b", "c"})
    arena->wait_for_block(name, [&, name] {
      told += name;
      CHECK(arena->take().has_value());
    });
  arena->give_back(first);
  CHECK(told.empty());
  REQUIRE(run_until([&] { return !told.empty(); }));
  run_turns();
  CHECK(told == "a");
  arena->give_back(second);
  REQUIRE(run_until([&] { return told == "ab"; }));
}

TEST_CASE_FIXTURE(ArenaFixture, "spill arena: who does not take the block keeps nobody waiting") {
  make(kBlockBytes);
  const Block only = arena->take().value();
  std::string told;
  for (const char* name : {"a", "b", "c"}) arena->wait_for_block(name, [&, name] { told += name; });
  arena->give_back(only);
  CHECK(run_until([&] { return told == "abc"; }));
}

TEST_CASE_FIXTURE(ArenaFixture, "spill arena: who is forgotten is not told") {
  make(kBlockBytes);
  const Block only = arena->take().value();
  std::string told;
  const int gone = 0, stays = 0;
  arena->wait_for_block(&gone, [&] { told += "gone"; });
  arena->wait_for_block(&stays, [&] { told += "stays"; });
  arena->forget(&gone);
  arena->give_back(only);
  REQUIRE(run_until([&] { return !told.empty(); }));
  run_turns();
  CHECK(told == "stays");
}

TEST_CASE_FIXTURE(ArenaFixture, "spill arena: who waits is told after a while also when no block has come") {
  make(0);
  CHECK_FALSE(arena->take().has_value());
  int told = 0;
  std::vector<int> waiters(200);  // more than are told in one turn
  for (const int& waiter : waiters)
    arena->wait_for_block(&waiter, [&] {
      if (++told == 1) arena->wait_for_block(&told, [&] { told = -1; });  // whose while begins now
    });
  const std::uint64_t start = uv_hrtime();
  REQUIRE(run_until([&] { return told == 200; }));
  CHECK(uv_hrtime() - start > kArenaPauseMs * 900000);
}

TEST_CASE_FIXTURE(ArenaFixture, "spill arena: without its directory it has no block, and says so") {
  dir.remove();
  CHECK_FALSE(arena->take().has_value());
  CHECK(arena->failure() == "cannot create a temporary file in " + dir.path() +
                                ": No such file or directory; name another directory with --spill-dir");
  CHECK(arena->bytes_in_use() == 0);
}

TEST_CASE_FIXTURE(ArenaFixture, "spill arena: a full disk is told, and tried again after a while") {
  std::optional<std::uint64_t> told;
  {
    const FullDisk disk(1000);
    const Block block = arena->take().value();
    CHECK(write(block, whole_block('x')) < 0);  // though some of it fitted
    CHECK(arena->failure().starts_with("cannot write to a temporary file in " + dir.path() + ": "));
    CHECK(arena->failure().ends_with("; free space there, or name another directory with --spill-dir"));
    CHECK_FALSE(arena->take().has_value());
    arena->give_back(block);
  }
  const std::uint64_t start = uv_hrtime();
  arena->wait_for_block(this, [&] { told = uv_hrtime(); });
  REQUIRE(run_until([&] { return told.has_value(); }));
  CHECK(*told - start > kArenaPauseMs * 900000);
  CHECK(write(arena->take().value(), whole_block('y')) == kBlockBytes);
  CHECK(arena->failure().empty());
}

TEST_CASE_FIXTURE(ArenaFixture,
                  "spill arena: may die with all kinds of work under way, and nobody is called") {
  bool called = false;
  make(32 * kBlockBytes);
  const SpillArena::Hold held = arena->hold(arena->take().value());
  for (int i = 0; i < 10; ++i) {
    arena->write(*held, std::make_shared<const std::string>("abc"), [&, held](ssize_t) { called = true; });
    arena->read(*held, 0, 3, SpillFile::Buffer(new char[3]), [&, held](ssize_t) { called = true; });
  }
  arena->give_back(arena->take().value());
  arena->wait_for_block(this, [&] { called = true; });
  arena.reset();
  run_for(20);
  CHECK_FALSE(called);
}

TEST_CASE_FIXTURE(ArenaFixture,
                  "spill arena: another one goes on with its file, and with what is in use of it") {
  std::vector<Block> taken;
  while (const auto block = arena->take()) taken.push_back(*block);
  for (const Block block : taken) CHECK(write(block, whole_block('x')) == kBlockBytes);
  SpillArena next(store, 4 * kBlockBytes, Descriptor(dup(arena->fd())), {taken[2], taken[1]});
  CHECK(next.bytes_in_use() == 2 * kBlockBytes);
  CHECK((read(next, taken[2], 0, kBlockBytes) == whole_block('x')));
  std::vector<Block> others;
  REQUIRE(run_until([&] {
    while (const auto block = next.take()) others.push_back(*block);
    return others.size() == 2;
  }));
  std::sort(others.begin(), others.end());
  CHECK(others == std::vector<Block>{taken[0], taken[3]});
  CHECK((read(next, taken[0], 0, 10) == std::string(10, '\0')));  // nobody's any more, so given back
}

TEST_CASE_FIXTURE(
    ArenaFixture,
    "spill arena: held still, what has been taken is written, and then nothing changes the file") {
  std::string told;
  const Block first = arena->take().value(), second = arena->take().value();
  bool done = false;
  arena->write(first, std::make_shared<const std::string>("abc"), [&](ssize_t) { done = true; });
  arena->hold_still(true);
  CHECK_FALSE(arena->take().has_value());
  arena->wait_for_block(this, [&] { told += "told "; });
  REQUIRE(run_until([&] { return done; }));
  arena->give_back(second);
  CHECK(arena->is_idle());  // its place is given back later
  CHECK(read(first, 0, 3) == "abc");
  run_turns();
  CHECK(told.empty());
  CHECK(arena->is_idle());
  arena->hold_still(false);
  REQUIRE(run_until([&] { return !told.empty(); }));
  REQUIRE(run_until([&] { return arena->is_idle(); }));
  CHECK(arena->take().has_value());
}
