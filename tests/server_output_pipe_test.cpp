#include <fcntl.h>

#include "server/output_pipe.hpp"
#include "server/pty.hpp"
#include "tests/job_fixture.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

class PipeFixture : public StoreFixture {
 public:
  PipeFixture() {
    REQUIRE(uv_pipe(ends, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE) == 0);
    pipe.open(ends[0], *log);
  }
  ~PipeFixture() { close_writer(); }

  void write(std::string_view bytes) {
    REQUIRE(::write(ends[1], bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  void close_writer() {
    if (ends[1] >= 0) close(ends[1]);
    ends[1] = -1;
  }
  void read_all() {
    REQUIRE(run_until([&] { return !pipe.has_bytes_waiting(); }));
  }
  // A part of what a pipe holds, and all of it is read.
  void pass_on() {
    const std::string piece(32768, 'x');
    const std::size_t before = read;
    write(piece);
    REQUIRE(run_until([&] { return read == before + piece.size(); }));
  }

  OutputQuota quota{1000};
  std::unique_ptr<OutputLog> log = std::make_unique<OutputLog>(store, [this] { pipe.resume(); });
  std::size_t read = 0;
  int eofs = 0, exceeded = 0;
  OutputPipe pipe{store,
                  quota,
                  {[this](std::size_t count) { read += count; }, [this] { ++eofs; }, [this] { ++exceeded; }}};
  int ends[2] = {-1, -1};
};

}  // namespace

TEST_CASE_FIXTURE(PipeFixture, "output pipe: what is written into it is in the log before its end is told") {
  write("hello");
  close_writer();
  REQUIRE(run_until([&] { return eofs == 1; }));
  CHECK(read == 5);
  CHECK_FALSE(pipe.is_open());
  CHECK(bytes_of(*log) == "hello");
  run_turns();
  CHECK(eofs == 1);
}

TEST_CASE_FIXTURE(PipeFixture, "output pipe: exactly as much as the quota allows does not exceed it") {
  write(std::string(1000, 'x'));
  close_writer();
  REQUIRE(run_until([&] { return eofs == 1; }));
  CHECK(exceeded == 0);
  CHECK(quota.left == 0);
  CHECK(log->size() == 1000);
}

TEST_CASE_FIXTURE(PipeFixture,
                  "output pipe: the first byte beyond the quota is told, and what was allowed is kept") {
  write(std::string(1001, 'x'));
  REQUIRE(run_until([&] { return exceeded == 1; }));
  CHECK(log->size() == 1000);
}

TEST_CASE_FIXTURE(PipeFixture, "output pipe: with no room in the log it stops reading, and loses nothing") {
  MemoryLease memory(store.memory());
  REQUIRE(memory.extend(kOutputMemoryBytes));
  std::vector<SpillFile::Buffer> lent(kSpillBuffers);
  for (auto& buffer : lent) buffer = store.take_buffer();
  write("hello");
  REQUIRE(run_until([&] { return pipe.is_paused(); }));
  run_turns();
  CHECK(read == 0);
  CHECK(pipe.has_bytes_waiting());
  lent.clear();
  REQUIRE(run_until([&] { return read == 5 && log->is_idle(); }));
  CHECK_FALSE(pipe.is_paused());
  CHECK(bytes_of(*log) == "hello");
}

TEST_CASE_FIXTURE(PipeFixture, "output pipe: after discard() it goes on reading and keeps nothing") {
  write("kept");
  read_all();
  pipe.discard();
  write(std::string(5000, 'x'));
  read_all();
  CHECK(exceeded == 0);
  CHECK(bytes_of(*log) == "kept");
  log.reset();  // it may die now
  write("still read");
  read_all();
  close_writer();
  CHECK(run_until([&] { return eofs == 1; }));
}

TEST_CASE_FIXTURE(PipeFixture, "output pipe: discard() wakes one that is paused") {
  MemoryLease memory(store.memory());
  REQUIRE(memory.extend(kOutputMemoryBytes));
  std::vector<SpillFile::Buffer> lent(kSpillBuffers);
  for (auto& buffer : lent) buffer = store.take_buffer();
  write("lost");
  REQUIRE(run_until([&] { return pipe.is_paused(); }));
  pipe.discard();
  read_all();
  CHECK(log->size() == 0);
}

TEST_CASE_FIXTURE(PipeFixture, "output pipe: close() lets go of the descriptor, and the writer is told") {
  pipe.close();
  run_turns();
  CHECK(::write(ends[1], "x", 1) == -1);
  CHECK(errno == EPIPE);
  CHECK(eofs == 0);
}

namespace {

class HeldPipeFixture : public PipeFixture {
 public:
  HeldPipeFixture() {
    pipe.close();
    close_writer();
    REQUIRE(uv_pipe(ends, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE) == 0);
    pipe.hold(ends[0], *log);
  }
};

}  // namespace

TEST_CASE_FIXTURE(HeldPipeFixture,
                  "output pipe: one that is held is read when that is asked for, to its end") {
  write("hello");
  close_writer();
  run_turns();
  CHECK(read == 0);
  pipe.read_held();
  CHECK(read == 5);
  CHECK(eofs == 1);
  CHECK_FALSE(pipe.is_open());
  CHECK(bytes_of(*log) == "hello");
}

TEST_CASE_FIXTURE(HeldPipeFixture,
                  "output pipe: one that is held and has another writer is watched from then on") {
  write("hello");
  pipe.read_held();
  CHECK(read == 5);
  CHECK(eofs == 0);
  write(" again");
  close_writer();
  REQUIRE(run_until([&] { return eofs == 1; }));
  CHECK(bytes_of(*log) == "hello again");
}

TEST_CASE_FIXTURE(HeldPipeFixture, "output pipe: one that is held can be watched without having been read") {
  write("hello");
  pipe.watch();
  close_writer();
  REQUIRE(run_until([&] { return eofs == 1; }));
  CHECK(bytes_of(*log) == "hello");
}

TEST_CASE_FIXTURE(HeldPipeFixture,
                  "output pipe: one that is held and cannot be kept is read later, without a loss") {
  MemoryLease memory(store.memory());
  REQUIRE(memory.extend(kOutputMemoryBytes));
  std::vector<SpillFile::Buffer> lent(kSpillBuffers);
  for (auto& buffer : lent) buffer = store.take_buffer();
  write("hello");
  close_writer();
  pipe.read_held();
  CHECK(read == 0);
  lent.clear();
  REQUIRE(run_until([&] { return eofs == 1 && log->is_idle(); }));
  CHECK(bytes_of(*log) == "hello");
}

TEST_CASE_FIXTURE(HeldPipeFixture, "output pipe: one that is held tells of bytes beyond the quota") {
  write(std::string(1001, 'x'));
  close_writer();
  pipe.read_held();
  CHECK(exceeded == 1);
  CHECK(eofs == 1);
  CHECK(log->size() == 1000);
}

namespace {

// A pipe whose bytes are handed on, as many as there is room for.
class RelayFixture : public StoreFixture {
 public:
  RelayFixture() {
    REQUIRE(uv_pipe(ends, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE) == 0);
    pipe.open(ends[0], {[this] { return room; },
                        [this](std::string_view bytes) {
                          largest = std::max(largest, bytes.size());
                          handed_on += bytes;
                        }});
  }
  ~RelayFixture() { close_writer(); }

  void write(std::string_view bytes) {
    REQUIRE(::write(ends[1], bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  void close_writer() {
    if (ends[1] >= 0) close(ends[1]);
    ends[1] = -1;
  }
  bool wait_for_end() {
    return run_until([&] { return eofs > 0; });
  }

  OutputQuota quota{5};
  std::size_t room = kReadBytes;
  std::string handed_on;
  std::size_t largest = 0;  // of what came at once
  std::size_t read = 0;
  int eofs = 0, exceeded = 0;
  OutputPipe pipe{store,
                  quota,
                  {[this](std::size_t count) { read += count; }, [this] { ++eofs; }, [this] { ++exceeded; }}};
  int ends[2] = {-1, -1};
};

}  // namespace

TEST_CASE_FIXTURE(RelayFixture, "output pipe: hands on what comes, whatever the quota of what is kept") {
  write("hello world");
  REQUIRE(run_until([&] { return read == 11; }));
  CHECK(handed_on == "hello world");
  close_writer();
  REQUIRE(wait_for_end());
  CHECK(exceeded == 0);
  CHECK(quota.left == 5);
  CHECK_FALSE(pipe.is_open());
}

TEST_CASE_FIXTURE(RelayFixture, "output pipe: hands on no more at once than there is room for") {
  room = 3;
  write("hello world");
  close_writer();
  REQUIRE(wait_for_end());
  CHECK(handed_on == "hello world");
  CHECK(largest == 3);
  CHECK(read == 11);
}

TEST_CASE_FIXTURE(RelayFixture,
                  "output pipe: hands on one read's bytes at once, however much room there is") {
  room = 10 * kReadBytes;
  for (int i = 0; i < 4; ++i) {
    write(std::string(60000, 'x'));
    REQUIRE(run_until([&] { return !pipe.has_bytes_waiting(); }));
  }
  CHECK(handed_on.size() == 240000);
  CHECK(largest <= kReadBytes);
}

TEST_CASE_FIXTURE(RelayFixture,
                  "output pipe: where nothing can be handed on it stops reading, and loses nothing") {
  room = 0;
  write("hello");
  REQUIRE(run_until([&] { return pipe.is_paused(); }));
  run_turns();
  CHECK(read == 0);
  CHECK(pipe.has_bytes_waiting());
  pipe.resume();  // there is no room still
  REQUIRE(run_until([&] { return pipe.is_paused(); }));
  CHECK(handed_on.empty());
  room = 100;
  pipe.resume();
  close_writer();
  REQUIRE(wait_for_end());
  CHECK(handed_on == "hello");
}

TEST_CASE_FIXTURE(RelayFixture, "output pipe: an end needs no room, but what was written before it does") {
  room = 0;
  write("hello");
  close_writer();
  run_turns();
  CHECK(eofs == 0);
  room = 5;
  const auto take_room = [&] { room = 5 - handed_on.size(); };
  pipe.resume();
  REQUIRE(run_until([&] { return take_room(), eofs > 0; }));
  CHECK(handed_on == "hello");
  CHECK(room == 0);
}

TEST_CASE_FIXTURE(RelayFixture, "output pipe: an end that comes when there is no room is told, too") {
  room = 0;
  run_turns();
  close_writer();
  REQUIRE(wait_for_end());
  CHECK(read == 0);
}

TEST_CASE_FIXTURE(RelayFixture, "output pipe: after discard() it reads on, and hands nothing on any more") {
  room = 0;
  write("lost");
  REQUIRE(run_until([&] { return pipe.is_paused(); }));
  pipe.discard();
  write("lost, too");
  close_writer();
  REQUIRE(wait_for_end());
  CHECK(handed_on.empty());
}

TEST_CASE_FIXTURE(RelayFixture, "output pipe: close() is the end of a pause") {
  room = 0;
  write("lost");
  REQUIRE(run_until([&] { return pipe.is_paused(); }));
  pipe.close();
  CHECK_FALSE(pipe.is_paused());
}

#ifdef F_GETPIPE_SZ
TEST_CASE_FIXTURE(StoreFixture,
                  "output pipe: one through which much is handed on is wider, and so are a few others") {
  struct Streamed {
    explicit Streamed(OutputStore& store) : pipe(store, quota, {[](std::size_t) {}, [] {}, [] {}}) {
      REQUIRE(uv_pipe(ends, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE) == 0);
      pipe.open(ends[0],
                {[] { return kRelayBytes; }, [this](std::string_view bytes) { got += bytes.size(); }});
    }
    ~Streamed() { close(ends[1]); }
    int width() const { return fcntl(ends[1], F_GETPIPE_SZ); }
    OutputQuota quota{0};
    std::size_t got = 0;
    OutputPipe pipe;
    int ends[2] = {-1, -1};
  };
  std::vector<std::unique_ptr<Streamed>> all;
  for (std::size_t i = 0; i <= kWidePipes; ++i) {
    Streamed& each = *all.emplace_back(std::make_unique<Streamed>(store));
    const int usual = each.width();
    const std::string piece(32768, 'x');
    while (each.got <= std::size_t{1} << 20) {
      CHECK(each.width() == usual);
      const std::size_t before = each.got;
      REQUIRE(::write(each.ends[1], piece.data(), piece.size()) == static_cast<ssize_t>(piece.size()));
      REQUIRE(run_until([&] { return each.got == before + piece.size(); }));
      if (each.got >= std::size_t{1} << 20) break;
    }
    CHECK(each.width() == (i < kWidePipes ? static_cast<int>(kWidePipeBytes) : usual));
  }
  all.front()->pipe.close();
  CHECK(store.pipe_memory().left() == kWidePipeBytes);
  all.clear();
  CHECK(store.pipe_memory().left() == kWidePipes * kWidePipeBytes);
}

TEST_CASE_FIXTURE(PipeFixture, "output pipe: one from which much is kept is wider, too") {
  quota.left = 2 << 20;
  const int usual = fcntl(ends[1], F_GETPIPE_SZ);
  while (read < std::size_t{1} << 20) {
    CHECK(fcntl(ends[1], F_GETPIPE_SZ) == usual);
    pass_on();
  }
  CHECK(fcntl(ends[1], F_GETPIPE_SZ) == static_cast<int>(kWidePipeBytes));
  CHECK(store.pipe_memory().left() == (kWidePipes - 1) * kWidePipeBytes);
  REQUIRE(run_until([&] { return log->is_idle(); }));
  pipe.discard();  // a background process has it now
  CHECK(fcntl(ends[1], F_GETPIPE_SZ) == static_cast<int>(kReadBytes));
  CHECK(store.pipe_memory().left() == kWidePipes * kWidePipeBytes);
}

TEST_CASE_FIXTURE(PipeFixture, "output pipe: some of those that are wider are left to streams") {
  MemoryLease others(store.pipe_memory());
  REQUIRE(others.extend((kWidePipes - kWidePipesOfStreams) * kWidePipeBytes));
  quota.left = 2 << 20;
  const int usual = fcntl(ends[1], F_GETPIPE_SZ);
  while (read <= std::size_t{1} << 20) pass_on();
  CHECK(fcntl(ends[1], F_GETPIPE_SZ) == usual);
  REQUIRE(run_until([&] { return log->is_idle(); }));
}
#endif

TEST_CASE_FIXTURE(
    StoreFixture,
    "output pipe: of a terminal all is read before its end, though a read gives only a part of it") {
  constexpr std::size_t kBytes = 7000;  // more than a read gives, and not more than a terminal holds
  Pty pty;
  REQUIRE(pty.open({}) == 0);
  fcntl(pty.slave.get(), F_SETFL, O_RDWR | O_NONBLOCK);
  OutputQuota quota{0};
  std::size_t room = 0, received = 0;
  bool has_ended = false;
  OutputPipe pipe(store, quota, {[](std::size_t) {}, [&] { has_ended = true; }, [] {}});
  pipe.expect_terminal();
  pipe.open(pty.master.release(),
            {[&] { return room; }, [&](std::string_view bytes) { received += bytes.size(); }});
  REQUIRE(write(pty.slave.get(), std::string(kBytes, 'x').data(), kBytes) == static_cast<ssize_t>(kBytes));
  REQUIRE(run_until([&] { return pipe.is_paused(); }));
  pty.slave = Descriptor();
  room = kBytes;
  pipe.resume();
  REQUIRE(run_until([&] { return has_ended; }));
  CHECK(received == kBytes);
  CHECK_FALSE(pipe.is_open());
}
