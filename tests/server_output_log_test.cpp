#include <cstring>

#include "server/output_log.hpp"
#include "tests/full_disk.hpp"
#include "tests/job_fixture.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

class LogFixture : public StoreFixture {
 public:
  LogFixture() { make(); }

  // A new log in place of the old one.
  void make() {
    log = std::make_unique<OutputLog>(store, [this] { ++progress; });
  }
  // As a pipe does it: as much as there is room for, waiting for room where there is none.
  void write(OutputLog& to, std::string_view bytes) {
    while (!bytes.empty()) {
      OutputLog::Room room;
      REQUIRE(run_until([&] { return (room = to.room(bytes.size())).size > 0; }));
      std::memcpy(room.start, bytes.data(), room.size);
      to.commit(room.size);
      bytes.remove_prefix(room.size);
    }
  }
  void write(std::string_view bytes) { write(*log, bytes); }
  void settle() {
    REQUIRE(run_until([&] { return log->is_idle(); }));
  }

  std::unique_ptr<OutputLog> log;
  int progress = 0;
};

// Bytes that differ at every place of interest.
std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>((i * 31) ^ (i >> 9));
  return bytes;
}

}  // namespace

TEST_CASE_FIXTURE(LogFixture, "output log: small output stays in memory and touches no disk") {
  write("hello ");
  write("world");
  CHECK(log->size() == 11);
  CHECK(log->is_idle());
  CHECK(log->file() == nullptr);
  CHECK(bytes_of(*log) == "hello world");
}

TEST_CASE_FIXTURE(LogFixture, "output log: the first MiB stays in memory, to the byte") {
  const std::string bytes = pattern(kStreamMemoryBytes);
  write(bytes);
  CHECK(log->file() == nullptr);
  CHECK(bytes_of(*log) == bytes);
}

TEST_CASE_FIXTURE(LogFixture, "output log: the byte after the first MiB goes to a file, and none is lost") {
  const std::string bytes = pattern(kStreamMemoryBytes + 1);
  write(bytes);
  settle();
  REQUIRE(log->file() != nullptr);
  CHECK(log->file()->size() == 1);
  CHECK(log->size() == bytes.size());
  CHECK(bytes_of(*log) == bytes);
}

TEST_CASE_FIXTURE(LogFixture, "output log: many MiB in pieces of any size come back as they were") {
  const std::string bytes = pattern(5 * kStreamMemoryBytes + 12345);
  for (std::size_t at = 0, step = 1; at < bytes.size(); at += step, step = (step * 7 + 13) % 300000 + 1)
    write(std::string_view(bytes).substr(at, step));
  settle();
  CHECK((bytes_of(*log) == bytes));
}

TEST_CASE_FIXTURE(LogFixture, "output log: what it holds in memory is given back when it dies") {
  write(pattern(2 * kStreamMemoryBytes));
  settle();
  CHECK(store.memory().left() == kOutputMemoryBytes - kStreamMemoryBytes);
  log.reset();
  CHECK(store.memory().left() == kOutputMemoryBytes);
}

TEST_CASE_FIXTURE(LogFixture, "output log: goes to disk at once where all logs together hold too much") {
  MemoryLease others(store.memory());
  REQUIRE(others.extend(kOutputMemoryBytes));
  write("abc");
  settle();
  REQUIRE(log->file() != nullptr);
  CHECK(bytes_of(*log) == "abc");
}

TEST_CASE_FIXTURE(LogFixture,
                  "output log: has no room while all buffers are lent, and tells when it has again") {
  MemoryLease others(store.memory());
  REQUIRE(others.extend(kOutputMemoryBytes));
  std::vector<SpillFile::Buffer> lent(kSpillBuffers);
  for (auto& buffer : lent) buffer = store.take_buffer();
  CHECK(log->room(10).size == 0);
  CHECK(log->room(10).size == 0);  // asking twice is waiting once
  run_turns();
  CHECK(progress == 0);
  lent[0].reset();
  REQUIRE(run_until([&] { return progress == 1; }));
  CHECK(log->room(10).size == 10);
  log->commit(0);
}

TEST_CASE_FIXTURE(LogFixture, "output log: whose turn it is to have a buffer gets it before who asks again") {
  MemoryLease others(store.memory());
  REQUIRE(others.extend(kOutputMemoryBytes));
  std::vector<SpillFile::Buffer> lent(kSpillBuffers);
  for (auto& buffer : lent) buffer = store.take_buffer();
  CHECK(log->room(10).size == 0);
  lent[0].reset();
  OutputLog eager(store, [] {});
  CHECK(eager.room(10).size == 0);
  REQUIRE(run_until([&] { return progress == 1; }));
  CHECK(log->room(10).size == 10);
  log->commit(10);
  REQUIRE(run_until([&] { return log->is_idle() && eager.room(10).size == 10; }));
  eager.commit(0);
}

TEST_CASE_FIXTURE(LogFixture, "output log: a read that brought nothing keeps no buffer") {
  MemoryLease others(store.memory());
  REQUIRE(others.extend(kOutputMemoryBytes));
  CHECK(log->room(10).size == 10);
  log->commit(0);
  std::vector<SpillFile::Buffer> lent(kSpillBuffers);
  for (auto& buffer : lent) CHECK((buffer = store.take_buffer()) != nullptr);
}

TEST_CASE_FIXTURE(LogFixture, "output log: more logs than buffers all get their bytes to disk") {
  MemoryLease others(store.memory());
  REQUIRE(others.extend(kOutputMemoryBytes));
  std::vector<std::unique_ptr<OutputLog>> logs;
  for (std::size_t i = 0; i < 3 * kSpillBuffers; ++i)
    logs.push_back(std::make_unique<OutputLog>(store, [] {}));
  for (int round = 0; round < 3; ++round)
    for (std::size_t i = 0; i < logs.size(); ++i)
      write(*logs[i], std::string(1000, static_cast<char>('a' + i)));
  for (std::size_t i = 0; i < logs.size(); ++i) {
    REQUIRE(run_until([&] { return logs[i]->is_idle(); }));
    CHECK((bytes_of(*logs[i]) == std::string(3000, static_cast<char>('a' + i))));
  }
}

TEST_CASE_FIXTURE(LogFixture,
                  "output log: without its directory it fails, says so, and goes on taking bytes") {
  dir.remove();
  write(pattern(kStreamMemoryBytes));
  CHECK(log->failure().empty());
  write("one more");
  CHECK(log->failure() == "cannot create a temporary file in " + dir.path() +
                              ": No such file or directory; name another directory with --spill-dir");
  write(pattern(3 * kStreamMemoryBytes));
  CHECK(log->is_idle());
}

TEST_CASE_FIXTURE(LogFixture,
                  "output log: a disk that is full, or becomes it in the middle of a write, is told") {
  for (const rlim_t room : {rlim_t{0}, rlim_t{100000}}) {
    CAPTURE(room);
    const FullDisk disk(room);
    make();
    write(pattern(kStreamMemoryBytes + 3 * kSpillBufferBytes));
    REQUIRE(run_until([&] { return !log->failure().empty(); }));
    CHECK(log->failure().starts_with("cannot write to a temporary file in " + dir.path() + ": "));
    CHECK(log->failure().ends_with("; free space there, or name another directory with --spill-dir"));
    CHECK(log->is_idle());
  }
}

TEST_CASE_FIXTURE(LogFixture,
                  "output log: on a full disk every log fails, also those that wait behind the others") {
  MemoryLease others(store.memory());
  REQUIRE(others.extend(kOutputMemoryBytes));
  const FullDisk disk(0);
  std::vector<std::unique_ptr<OutputLog>> logs;
  for (std::size_t i = 0; i < 3 * kSpillBuffers; ++i)
    logs.push_back(std::make_unique<OutputLog>(store, [] {}));
  for (auto& one : logs) write(*one, "x");
  for (auto& one : logs) CHECK(run_until([&] { return !one->failure().empty(); }));
}

TEST_CASE_FIXTURE(LogFixture, "output log: dies while it writes and while it waits, and nobody is called") {
  MemoryLease others(store.memory());
  REQUIRE(others.extend(kOutputMemoryBytes));
  write("under way");
  OutputLog waiting(store, [this] { ++progress; });
  std::vector<SpillFile::Buffer> lent;
  while (auto buffer = store.take_buffer()) lent.push_back(std::move(buffer));
  CHECK(waiting.room(1).size == 0);
  log.reset();
  make();
  lent.clear();
  REQUIRE(run_until([&] { return progress == 1; }));  // the one that waits; it was not forgotten
  run_turns();
  CHECK(progress == 1);
}

TEST_CASE_FIXTURE(LogFixture,
                  "output log: large outputs leave memory for small ones, which never wait for a disk") {
  MemoryLease others(store.memory());
  REQUIRE(others.extend(kOutputMemoryBytes - kSmallOutputReserveBytes - kSmallOutputBytes));
  write(pattern(4 * kSmallOutputBytes));
  REQUIRE(log->file() != nullptr);
  OutputLog small(store, [] {});
  write(small, pattern(kSmallOutputBytes));
  CHECK(small.file() == nullptr);
  CHECK(bytes_of(small) == pattern(kSmallOutputBytes));
}

TEST_CASE_FIXTURE(LogFixture,
                  "output log: one that waits for a buffer may be sealed from within its progress") {
  std::vector<SpillFile::Buffer> taken;
  while (auto buffer = store.take_buffer()) taken.push_back(std::move(buffer));
  MemoryLease others(store.memory());
  REQUIRE(others.extend(kOutputMemoryBytes));
  std::unique_ptr<OutputLog> handed_over;
  int told = 0;
  log = std::make_unique<OutputLog>(store, [&, name = std::string(100, 'x')] {
    handed_over = std::move(log);
    handed_over->seal();
    told += static_cast<int>(name.size());  // what is called must still be there
  });
  CHECK(log->room(10).size == 0);
  taken.clear();
  REQUIRE(run_until([&] { return told == 100; }));
}

TEST_CASE_FIXTURE(LogFixture,
                  "output log: one that waits for a buffer may die, or outlive whoever it would tell") {
  std::vector<SpillFile::Buffer> taken;
  while (auto buffer = store.take_buffer()) taken.push_back(std::move(buffer));
  MemoryLease others(store.memory());
  REQUIRE(others.extend(kOutputMemoryBytes));
  auto reader = std::make_unique<int>(0);
  OutputLog sealed(store, [&reader = *reader] { ++reader; });
  CHECK(sealed.room(10).size == 0);
  CHECK(log->room(10).size == 0);
  sealed.seal();
  reader.reset();
  log.reset();
  taken.clear();
  make();
  REQUIRE(run_until([&] { return log->room(10).size > 0; }));
  log->commit(0);
  CHECK(progress == 0);
}
