#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "server/output_record.hpp"
#include "tests/full_disk.hpp"
#include "tests/loop_fixture.hpp"
#include "tests/scratch_dir.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

using Range = RecordCursor::Range;

constexpr std::uint64_t kDisk = 64 << 20;

// Bytes that differ at every place of interest: noise that repeats itself, but not with the blocks.
std::string pattern(std::uint64_t from, std::uint64_t to) {
  static const std::string noise = [] {
    std::minstd_rand random;
    std::string bytes(1000003, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random() >> 8);
    return bytes;
  }();
  std::string bytes;
  while (bytes.size() < to - from)
    bytes += std::string_view(noise).substr((from + bytes.size()) % noise.size(), to - from - bytes.size());
  return bytes;
}

// A reader as a session is one: takes what there is when it is told, and remembers it.
struct Reader {
  Reader(OutputRecord& record, std::uint64_t place)
      : from(std::min(place, record.end())), cursor(record, place, [this] { ++told; }) {}

  // What can be read now, up to so many bytes, checked against the pattern.
  std::size_t read(std::size_t most = -1) {
    std::size_t count = 0;
    while (count < most) {
      if (const auto gap = cursor.take_gap()) gaps.push_back(*gap);
      const std::string_view piece = cursor.peek().substr(0, most - count);
      if (piece.empty()) break;
      if (piece != pattern(cursor.place(), cursor.place() + piece.size())) is_exact = false;
      cursor.advance(piece.size());
      count += piece.size();
    }
    total += count;
    return count;
  }
  void acknowledge() { cursor.acknowledge(cursor.place()); }

  std::uint64_t from;
  int told = 0;
  std::vector<Range> gaps;
  bool is_exact = true;
  std::uint64_t total = 0;
  RecordCursor cursor;
};

class RecordFixture : public LoopFixture {
 public:
  // A new record in place of the old one.
  void make(Full full, std::uint64_t capacity = kRecordBytes) {
    record.reset();
    record = std::make_unique<OutputRecord>(store, *arena, full, capacity, [this] { ++told_room; });
  }
  void make_arena(std::uint64_t max_bytes) {
    record.reset();
    arena = std::make_unique<SpillArena>(store, max_bytes);
  }
  void append(OutputRecord& to, std::size_t bytes) { to.append(pattern(to.end(), to.end() + bytes)); }
  void append(std::size_t bytes) { append(*record, bytes); }
  // As a pipe does it: as much as there is room for, waiting for room where there is none.
  void write(std::size_t bytes) {
    while (bytes > 0) {
      std::size_t room = record->room();
      const int before = told_room;
      if (room == 0) {
        REQUIRE(run_until([&] { return told_room > before; }));
        room = record->room();
      }
      const std::size_t size = std::min({bytes, room, std::size_t{100000}});
      append(size);
      bytes -= size;
    }
  }
  void settle() {
    REQUIRE(run_until([&] { return record->is_idle() && arena->is_idle(); }));
  }
  // Reads to the record's end.
  void read_all(Reader& reader) {
    REQUIRE(run_until([&] { return reader.read(), reader.cursor.is_at_end(); }));
    CHECK(reader.is_exact);
  }
  void check_all(std::uint64_t from = 0) {
    Reader reader(*record, from);
    read_all(reader);
    CHECK(reader.gaps.empty());
    CHECK(reader.total == record->end() - from);
  }
  std::size_t memory_used() { return kOutputMemoryBytes - store.memory().left(); }
  // All memory but so much.
  void leave_memory(std::size_t bytes) { REQUIRE(others.extend(store.memory().left() - bytes)); }

  ScratchDir dir;
  OutputStore store{loop(), dir.path()};
  MemoryLease others{store.memory()};
  std::unique_ptr<SpillArena> arena = std::make_unique<SpillArena>(store, kDisk);
  int told_room = 0;
  std::unique_ptr<OutputRecord> record;
};

}  // namespace

TEST_CASE_FIXTURE(RecordFixture, "output record: a few bytes cost a few bytes, and no disk") {
  make(Full::spill);
  append(6);
  CHECK(memory_used() == 6);
  CHECK(record->begin() == 0);
  CHECK(record->end() == 6);
  record->finish();
  settle();
  CHECK(memory_used() == 6);
  CHECK(arena->fd() == -1);
  check_all();
  record.reset();
  CHECK(memory_used() == 0);
}

TEST_CASE_FIXTURE(RecordFixture, "output record: comes back as it was at every edge of a block") {
  for (const Full full : {Full::block, Full::spill, Full::drop})
    for (const std::size_t size : {65535, 65536, 65537, (1 << 20) - 1, 1 << 20}) {
      CAPTURE(size);
      make(full);
      write(size);
      CHECK(record->begin() == 0);
      CHECK(record->end() == size);
      check_all();
      record->finish();
      settle();
      check_all();
      CHECK(memory_used() <= kFinishedMemoryBytes);
    }
}

TEST_CASE_FIXTURE(RecordFixture,
                  "output record: block takes a MiB to the byte, and no more while nobody reads") {
  make(Full::block);
  append((1 << 20) - 1);
  CHECK(record->room() == 1);
  append(1);
  CHECK(record->room() == 0);
  run_turns();
  CHECK(told_room == 0);
}

TEST_CASE_FIXTURE(RecordFixture,
                  "output record: spill takes its capacity to the byte, beyond memory on disk") {
  make(Full::spill, (3 << 20) + 1);
  write((3 << 20) + 1);
  CHECK(record->room() == 0);
  settle();
  CHECK(memory_used() <= kRecordMemoryBytes);
  CHECK(arena->bytes_in_use() >= (3 << 20) - kRecordMemoryBytes);
  check_all();
}

TEST_CASE_FIXTURE(RecordFixture, "output record: spill holds no more in memory than it may, disk or not") {
  make_arena(0);
  make(Full::spill, 16 << 20);
  std::size_t total = 0;
  while (const std::size_t room = record->room()) append(room), total += room;
  CHECK(total == kRecordMemoryBytes + kPagingMemoryBytes);
  CHECK(told_room == 0);
}

TEST_CASE_FIXTURE(RecordFixture,
                  "output record: drop always has room, and gives up exactly what is too much") {
  make(Full::drop);
  append(1 << 20);
  CHECK(record->begin() == 0);
  for (const std::size_t more : {1, 70000, 1, 65535, 1 << 20}) {
    CHECK(record->room() > 0);
    append(more);
    CHECK(record->begin() == record->end() - kRecordBytes);
  }
  check_all(record->begin());
}

TEST_CASE_FIXTURE(RecordFixture,
                  "output record: a reader that was dropped over is told exactly what it missed") {
  make(Full::drop, 100);
  append(50);
  Reader reader(*record, 0);
  CHECK(reader.read(20) == 20);
  append(80);
  CHECK(record->begin() == 30);
  CHECK(reader.read() == 100);
  REQUIRE(reader.gaps.size() == 1);
  CHECK(reader.gaps[0].from == 20);
  CHECK(reader.gaps[0].to == 30);
  CHECK(reader.is_exact);
  append(100);  // just what it has read
  append(1);
  CHECK(reader.read() == 100);
  REQUIRE(reader.gaps.size() == 2);
  CHECK(reader.gaps[1].from == 130);
  CHECK(reader.gaps[1].to == 131);
}

TEST_CASE_FIXTURE(RecordFixture,
                  "output record: a cursor may start before what is there, and not behind it") {
  make(Full::drop, 100);
  append(100);
  append(100);
  Reader early(*record, 30);
  const auto gap = early.cursor.take_gap();
  REQUIRE(gap.has_value());
  CHECK(gap->from == 30);
  CHECK(gap->to == 100);
  CHECK_FALSE(early.cursor.take_gap().has_value());
  Reader late(*record, 1000);
  CHECK(late.cursor.place() == 200);
  CHECK(late.cursor.acknowledged() == 200);
  CHECK(late.cursor.is_at_end());
}

TEST_CASE_FIXTURE(RecordFixture,
                  "output record: room comes when every cursor has acknowledged, once for each no") {
  make(Full::block);
  append(1 << 20);
  Reader first(*record, 0), second(*record, 0);
  CHECK(record->room() == 0);
  CHECK(record->room() == 0);
  first.read();
  first.acknowledge();
  run_turns();
  CHECK(told_room == 0);
  CHECK_FALSE(first.cursor.holds_up());
  CHECK(second.cursor.holds_up());
  CHECK(second.read(1000) == 1000);
  CHECK(second.cursor.holds_up());  // read is not acknowledged
  second.acknowledge();
  CHECK(told_room == 0);  // in a later turn
  CHECK_FALSE(second.cursor.holds_up());
  run_turns();
  CHECK(told_room == 1);
  CHECK(record->room() == 1000);
  CHECK(record->begin() == 1000);
}

TEST_CASE_FIXTURE(RecordFixture, "output record: keeps what was acknowledged until its room is needed") {
  make(Full::block);
  Reader reader(*record, 0);
  append(1 << 20);
  read_all(reader);
  reader.acknowledge();
  CHECK(record->begin() == 0);
  CHECK(record->room() == kBlockBytes);
  append(1);
  CHECK(record->room() == kBlockBytes - 1);
  CHECK(record->begin() == kBlockBytes);
}

TEST_CASE_FIXTURE(RecordFixture,
                  "output record: a cursor that goes holds up nobody, and what it acknowledged counts") {
  make(Full::block);
  append(1 << 20);
  auto slow = std::make_unique<Reader>(*record, 0);
  auto fast = std::make_unique<Reader>(*record, 0);
  fast->read(3000);
  fast->acknowledge();
  CHECK(record->room() == 0);
  slow.reset();
  REQUIRE(run_until([&] { return told_room == 1; }));
  CHECK(record->room() == 3000);
  fast.reset();
  append(3000);
  CHECK(record->room() == 0);  // nobody is there who could acknowledge more
  run_turns();
  CHECK(told_room == 1);
  CHECK(record->begin() == 3000);
  const Reader now(*record, record->end());  // who wants only what comes has no use for the rest
  CHECK(run_until([&] { return told_room == 2; }));
}

TEST_CASE_FIXTURE(RecordFixture, "output record: a cursor is told once of what comes, in a later turn") {
  make(Full::block);
  Reader reader(*record, 0);
  CHECK(reader.read() == 0);
  append(10);
  append(10);
  CHECK(reader.told == 0);
  run_turns();
  CHECK(reader.told == 1);
  append(10);
  run_turns();
  CHECK(reader.told == 1);  // it has not found nothing again
  CHECK(reader.read() == 30);
  record->finish();
  run_turns();
  CHECK(reader.told == 2);
  CHECK(reader.read() == 0);
  CHECK(record->is_finished());
  run_turns();
  CHECK(reader.told == 2);
}

TEST_CASE_FIXTURE(RecordFixture, "output record: a cursor that has found it by itself is not told") {
  make(Full::block);
  int told = 0;
  RecordCursor cursor(*record, 0, [&] { ++told; });
  CHECK(cursor.peek().empty());
  append(10);
  CHECK(cursor.peek().size() == 10);
  run_turns();
  CHECK(told == 0);
}

TEST_CASE_FIXTURE(RecordFixture, "output record: who is told may end what tells it") {
  make(Full::block);
  std::unique_ptr<RecordCursor> cursor;
  cursor = std::make_unique<RecordCursor>(*record, 0, [&] { cursor.reset(); });
  CHECK(cursor->peek().empty());
  append(10);
  REQUIRE(run_until([&] { return cursor == nullptr; }));
  record = std::make_unique<OutputRecord>(store, *arena, Full::block, 10, [this] { record.reset(); });
  append(10);
  CHECK(record->room() == 0);
  {
    const RecordCursor from_now_on(*record, 10, [] {});
  }
  CHECK(run_until([&] { return record == nullptr; }));
}

TEST_CASE_FIXTURE(RecordFixture, "output record: where the budget says no, it pages out and goes on") {
  for (const Full full : {Full::block, Full::spill, Full::drop}) {
    make(full);
    leave_memory(1000);
    write(1 << 20);
    settle();
    CHECK(arena->bytes_in_use() >= (full == Full::drop ? 1 : 14) * kBlockBytes);
    check_all(record->begin());
    record.reset();
    others.give_back(others.held());
    REQUIRE(run_until([&] { return arena->bytes_in_use() == 0; }));
  }
}

TEST_CASE_FIXTURE(RecordFixture, "output record: large ones leave memory for small ones") {
  make(Full::block);
  leave_memory(kSmallOutputReserveBytes + kBlockBytes);
  append(2 * kBlockBytes);
  settle();
  CHECK(store.memory().left() >= kSmallOutputReserveBytes);
}

TEST_CASE_FIXTURE(RecordFixture,
                  "output record: without memory and without disk one block goes round and round") {
  make_arena(0);
  make(Full::block);
  leave_memory(0);
  Reader reader(*record, 0);
  for (int round = 1; round < 5; ++round) {
    CHECK(record->room() == kBlockBytes);
    append(kBlockBytes);
    CHECK(record->room() == 0);
    CHECK(reader.read(40000) == 40000);
    reader.acknowledge();
    run_turns();
    CHECK(told_room < round);
    CHECK(reader.cursor.holds_up());
    read_all(reader);
    reader.acknowledge();
    REQUIRE(run_until([&] { return told_room == round; }));
  }
  CHECK(reader.gaps.empty());
}

TEST_CASE_FIXTURE(RecordFixture,
                  "output record: drop without memory and without disk keeps the last block's worth") {
  make_arena(0);
  make(Full::drop);
  leave_memory(0);
  for (int i = 0; i < 50; ++i) {
    append(10007);
    CHECK(record->end() - record->begin() <= kBlockBytes);
    CHECK(record->end() - record->begin() > 0);
  }
  append(1 << 20);
  check_all(record->begin());
}

TEST_CASE_FIXTURE(RecordFixture, "output record: memory that others give back is noticed") {
  make_arena(0);
  make(Full::block);
  leave_memory(0);
  append(kBlockBytes);
  CHECK(record->room() == 0);
  others.give_back(others.held());
  REQUIRE(run_until([&] { return told_room == 1; }));
  CHECK(record->room() == kRecordBytes - kBlockBytes);
}

TEST_CASE_FIXTURE(RecordFixture,
                  "output record: spill waits when the disk has no place, and goes on when it has") {
  make_arena(4 * kBlockBytes);
  make(Full::spill, 16 << 20);
  auto other = std::make_unique<OutputRecord>(store, *arena, Full::spill, 16 << 20, [] {});
  while (const std::size_t room = other->room()) {
    append(*other, room);
    REQUIRE(run_until([&] { return other->is_idle(); }));
  }
  CHECK(arena->bytes_in_use() == 4 * kBlockBytes);
  write(kRecordMemoryBytes + kPagingMemoryBytes);
  CHECK(record->room() == 0);
  other.reset();
  REQUIRE(run_until([&] { return told_room == 1; }));
  write(kBlockBytes);
  check_all();
}

TEST_CASE_FIXTURE(RecordFixture,
                  "output record: on a full disk a reader holds up spill until it acknowledges") {
  make_arena(4 * kBlockBytes);
  make(Full::spill, 16 << 20);
  write(4 * kBlockBytes + kRecordMemoryBytes + kPagingMemoryBytes);
  settle();
  told_room = 0;
  Reader reader(*record, 0);
  CHECK(record->room() == 0);
  CHECK(reader.cursor.holds_up());
  read_all(reader);
  CHECK(reader.cursor.holds_up());
  reader.acknowledge();
  CHECK(record->begin() == kBlockBytes);
  CHECK(told_room == 0);  // what was given up is still to be given back to the disk, and taken again
  CHECK_FALSE(reader.cursor.holds_up());
  REQUIRE(run_until([&] { return told_room == 1; }));
  CHECK(record->room() == kBlockBytes);
  CHECK(record->begin() == kBlockBytes);
}

TEST_CASE_FIXTURE(RecordFixture, "output record: nobody holds up what waits for the disk alone") {
  make(Full::spill, 16 << 20);
  const Reader reader(*record, 0);
  while (const std::size_t room = record->room()) append(room);
  CHECK_FALSE(record->is_idle());
  CHECK_FALSE(reader.cursor.holds_up());
  REQUIRE(run_until([&] { return told_room == 1; }));
  CHECK(record->room() > 0);
}

TEST_CASE_FIXTURE(RecordFixture, "output record: a finished one tells nobody of room") {
  make(Full::block);
  append(1 << 20);
  CHECK(record->room() == 0);
  const Reader from_now_on(*record, record->end());  // so there is room
  record->finish();
  run_turns();
  CHECK(told_room == 0);
}

TEST_CASE_FIXTURE(RecordFixture, "output record: a disk that fails loses nothing, and is tried again") {
  make(Full::spill, 16 << 20);
  {
    const FullDisk disk(0);
    while (const std::size_t room = record->room()) append(room);
    REQUIRE(run_until([&] { return !arena->failure().empty(); }));
    CHECK(record->is_idle());
    check_all();
  }
  REQUIRE(run_until([&] { return told_room == 1; }));
  write(1 << 20);
  settle();
  CHECK(arena->failure().empty());
  check_all();
}

TEST_CASE_FIXTURE(RecordFixture, "output record: without its directory it keeps what memory takes") {
  dir.remove();
  make(Full::spill, 16 << 20);
  while (const std::size_t room = record->room()) append(room);
  CHECK(record->end() == kRecordMemoryBytes + kPagingMemoryBytes);
  record->finish();
  check_all();
  make(Full::drop);
  append(1 << 20);
  append(1 << 20);
  check_all(1 << 20);
}

TEST_CASE_FIXTURE(RecordFixture, "output record: what can't be read back is a gap, and the rest is there") {
  make(Full::block);
  append(3 * kBlockBytes);
  record->finish();
  settle();
  REQUIRE(ftruncate(arena->fd(), 2 * kBlockBytes + 100) == 0);
  Reader reader(*record, 0);
  REQUIRE(run_until([&] { return reader.read(), reader.cursor.is_at_end(); }));
  CHECK(reader.is_exact);
  REQUIRE(reader.gaps.size() == 1);
  CHECK(reader.gaps[0].from == 2 * kBlockBytes + 100);
  CHECK(reader.gaps[0].to == 3 * kBlockBytes);
}

TEST_CASE_FIXTURE(RecordFixture, "output record: a finished one is on disk but for its last bytes, once") {
  make(Full::block);
  append(3 * kBlockBytes + 4096);
  record->finish();
  record->finish();
  settle();
  CHECK(arena->bytes_in_use() == 3 * kBlockBytes);
  CHECK(memory_used() == 4096);
  check_all();
  make(Full::block);
  append(4097);
  record->finish();
  settle();
  CHECK(memory_used() == 0);
  check_all();
  record.reset();
  CHECK(run_until([&] { return arena->bytes_in_use() == 0; }));
}

TEST_CASE_FIXTURE(RecordFixture,
                  "output record: a cursor may go in the middle of a read, and the record, too") {
  make(Full::spill, 16 << 20);
  write(1 << 20);
  settle();
  auto reader = std::make_unique<Reader>(*record, 0);
  CHECK(reader->read() == 0);
  reader.reset();
  const std::uint64_t in_use = arena->bytes_in_use();
  REQUIRE(in_use > 0);
  record.reset();
  CHECK(arena->bytes_in_use() == kBlockBytes);  // what is being read is nobody else's yet
  CHECK(run_until([&] { return arena->bytes_in_use() == 0; }));
}

TEST_CASE_FIXTURE(RecordFixture, "output record: may die while it writes, and gives everything back") {
  make(Full::spill, 16 << 20);
  append(kRecordMemoryBytes + kBlockBytes);
  CHECK_FALSE(record->is_idle());
  record.reset();
  CHECK(memory_used() == 0);
  CHECK(arena->bytes_in_use() == kBlockBytes);
  CHECK(run_until([&] { return arena->bytes_in_use() == 0; }));
  make(Full::spill, 16 << 20);
  append(kRecordMemoryBytes + kBlockBytes);
  record.reset();
  arena.reset();
  run_turns();
}

TEST_CASE_FIXTURE(RecordFixture, "output record: a block that is dropped in the middle of a read is a gap") {
  make(Full::drop);
  leave_memory(1000);
  write(8 * kBlockBytes);
  settle();
  Reader reader(*record, record->begin());
  CHECK(reader.read() == 0);  // on its way from disk
  const std::uint64_t place = reader.cursor.place();
  append(1 << 20);
  append(1 << 20);
  read_all(reader);
  REQUIRE(reader.gaps.size() >= 1);
  CHECK(reader.gaps[0].from == place);
  CHECK(reader.cursor.place() == record->end());
}

TEST_CASE_FIXTURE(RecordFixture, "output record: another one goes on from its image") {
  make(Full::spill, 16 << 20);
  write(1 << 20);
  {
    Reader reader(*record, 0);
    reader.read(0);
    REQUIRE(run_until([&] { return reader.read(70000 - reader.total), reader.total == 70000; }));
    reader.acknowledge();
  }
  settle();
  const OutputRecord::Image image = record->image();
  CHECK(image.acknowledged == 70000);
  std::vector<SpillArena::Block> used;
  for (const auto& block : image.blocks)
    if (const auto* disk = std::get_if<SpillArena::Block>(&block)) used.push_back(*disk);
  SpillArena next_arena(store, kDisk, Descriptor(dup(arena->fd())), used);
  {
    OutputRecord next(
        store, next_arena, Full::spill, 16 << 20, [] {}, image);
    CHECK(next.end() == 1 << 20);
    append(next, 100000);
    next.finish();
    Reader reader(next, 0);
    read_all(reader);
    CHECK(reader.total == (1 << 20) + 100000);
  }
  CHECK(next_arena.bytes_in_use() == 0);
}

namespace {

// Does at random what a command and its followers do, and compares with what must hold.
class Play {
 public:
  Play(RecordFixture& fixture, Full full, std::uint64_t capacity, unsigned seed)
      : fixture_(fixture), record_(*fixture.record), full_(full), capacity_(capacity), random_(seed) {}

  void run(int steps) {
    for (int step = 0; step < steps; ++step) {
      act();
      check();
    }
  }
  // Lets all read what is left.
  void end() {
    record_.finish();
    for (auto& reader : readers_) {
      fixture_.read_all(*reader);
      check(*reader);
    }
    readers_.clear();
    Reader late(record_, 0);
    fixture_.read_all(late);
    CHECK(late.total == record_.end() - record_.begin());
    fixture_.settle();
  }

 private:
  std::size_t pick(std::size_t below) { return random_() % below; }

  void act() {
    const std::size_t which = pick(10);
    if (which < 4) append();
    if (which == 4 && readers_.size() < 3)
      readers_.push_back(std::make_unique<Reader>(record_, pick(4) == 0 ? record_.end() : record_.begin()));
    if (which == 5 && pick(10) == 0 && !readers_.empty())
      readers_.erase(readers_.begin() + static_cast<std::ptrdiff_t>(pick(readers_.size())));
    if (which > 5 && !readers_.empty()) read(*readers_[pick(readers_.size())]);
    if (pick(3) == 0) fixture_.run_turns(1);
  }
  void append() {
    const std::uint64_t begin = record_.begin();
    std::uint64_t acknowledged = readers_.empty() ? begin : record_.end();
    for (const auto& reader : readers_)
      acknowledged = std::min(acknowledged, std::max(begin, reader->cursor.acknowledged()));
    const std::size_t room = record_.room();
    if (full_ == Full::drop)
      CHECK(room > 0);
    else if (!readers_.empty())
      CHECK(record_.begin() <= acknowledged);
    if (full_ == Full::block) CHECK(record_.begin() - begin <= kBlockBytes);
    if (room > 0)
      fixture_.append(record_, 1 + pick(std::min<std::size_t>(room, pick(2) == 0 ? 300 : 200000)));
  }
  void read(Reader& reader) {
    reader.read(1 + pick(150000));
    if (pick(2) == 0) reader.acknowledge();
    check(reader);
  }
  void check() {
    CHECK(record_.end() - record_.begin() <= capacity_);
    CHECK(record_.begin() <= record_.end());
  }
  // What it has read and what it has missed are all there was.
  void check(const Reader& reader) {
    CHECK(reader.is_exact);
    std::uint64_t missed = 0;
    for (const Range& gap : reader.gaps) missed += gap.to - gap.from;
    CHECK(reader.from + reader.total + missed == reader.cursor.place());
    if (full_ != Full::drop) CHECK(missed == 0);
  }

  RecordFixture& fixture_;
  OutputRecord& record_;
  const Full full_;
  const std::uint64_t capacity_;
  std::minstd_rand random_;
  std::vector<std::unique_ptr<Reader>> readers_;
};

}  // namespace

TEST_CASE_FIXTURE(RecordFixture,
                  "output record: whatever is done in whatever order, no byte is wrong or missing") {
  struct Scene {
    Full full;
    std::uint64_t capacity;
    std::size_t memory_left;
    std::uint64_t disk;
  };
  for (const Scene& scene : std::vector<Scene>{{Full::block, 1 << 20, kOutputMemoryBytes, kDisk},
                                               {Full::block, 1000, kOutputMemoryBytes, kDisk},
                                               {Full::block, 1 << 20, 5000, kDisk},
                                               {Full::block, 1 << 20, 0, 3 * kBlockBytes},
                                               {Full::spill, 5000001, kOutputMemoryBytes, kDisk},
                                               {Full::spill, 5000001, kOutputMemoryBytes, 5 * kBlockBytes},
                                               {Full::spill, 5000001, 100000, kDisk},
                                               {Full::drop, 1 << 20, kOutputMemoryBytes, kDisk},
                                               {Full::drop, 777, kOutputMemoryBytes, kDisk},
                                               {Full::drop, 1 << 20, 5000, kDisk},
                                               {Full::drop, 1 << 20, 0, 3 * kBlockBytes}})
    for (unsigned seed = 1; seed <= 3; ++seed) {
      CAPTURE(name_of(scene.full));
      CAPTURE(scene.capacity);
      CAPTURE(scene.memory_left);
      CAPTURE(seed);
      make_arena(scene.disk);
      leave_memory(scene.memory_left);
      make(scene.full, scene.capacity);
      Play play(*this, scene.full, scene.capacity, seed);
      play.run(600);
      play.end();
      record.reset();
      REQUIRE(run_until([&] { return arena->bytes_in_use() == 0; }));
      others.give_back(others.held());
      CHECK(memory_used() == 0);
    }
}

TEST_CASE_FIXTURE(RecordFixture,
                  "output record: while the arena is held still it comes to rest, and goes on where it was") {
  make(Full::spill, 16 << 20);
  write(2 << 20);
  arena->hold_still(true);
  settle();
  for (int turns = 0; turns < 100; ++turns) {  // as fast as can be
    if (const std::size_t room = record->room(); room > 0) append(std::min<std::size_t>(room, 100000));
    run_turns(1);
    REQUIRE(record->is_idle());
    REQUIRE(arena->is_idle());
  }
  const std::uint64_t end = record->end();
  CHECK(record->room() == 0);
  arena->hold_still(false);
  write(2 << 20);
  CHECK(record->end() == end + (2 << 20));
  settle();
  check_all();
}
