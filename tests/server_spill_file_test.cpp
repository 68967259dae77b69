#include <algorithm>
#include <string_view>

#include "server/spill_file.hpp"
#include "tests/loop_fixture.hpp"
#include "tests/scratch_dir.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

SpillFile::Buffer buffer_of(std::string_view text) {
  SpillFile::Buffer buffer(new char[text.size()]);
  std::copy(text.begin(), text.end(), buffer.get());
  return buffer;
}

class SpillFixture : public LoopFixture {
 public:
  SpillFile create() {
    auto file = SpillFile::create(loop(), dir.path());
    REQUIRE(file.ok());
    return std::move(*file);
  }
  ssize_t append(SpillFile& file, std::string_view text) {
    std::optional<ssize_t> done;
    file.append(buffer_of(text), text.size(), [&](ssize_t count) { done = count; });
    CHECK_FALSE(done.has_value());  // in a later turn, always
    REQUIRE(run_until([&] { return done.has_value(); }));
    return *done;
  }
  std::string read(SpillFile& file, std::uint64_t offset, std::size_t size) {
    const SpillFile::Buffer room(new char[size]);
    std::optional<ssize_t> done;
    file.read(offset, room, size, [&](ssize_t count) { done = count; });
    REQUIRE(run_until([&] { return done.has_value(); }));
    REQUIRE(*done >= 0);
    return {room.get(), static_cast<std::size_t>(*done)};
  }

  ScratchDir dir;
};

}  // namespace

TEST_CASE_FIXTURE(SpillFixture, "spill file: gives back what was appended, from any place") {
  SpillFile file = create();
  CHECK(append(file, "hello ") == 6);
  CHECK(append(file, "world") == 5);
  CHECK(file.size() == 11);
  CHECK(read(file, 0, 100) == "hello world");
  CHECK(read(file, 6, 3) == "wor");
  CHECK(read(file, 11, 10).empty());
}

TEST_CASE_FIXTURE(SpillFixture, "spill file: has no name from its first moment") {
  SpillFile file = create();
  CHECK(append(file, "secret") == 6);
  CHECK(dir.is_empty());
}

TEST_CASE_FIXTURE(SpillFixture, "spill file: is not passed on to children") {
  const auto fd = open_unnamed_file(dir.path());
  REQUIRE(fd.ok());
  CHECK((fcntl(*fd, F_GETFD) & FD_CLOEXEC) != 0);
  struct stat facts {};
  REQUIRE(fstat(*fd, &facts) == 0);
  CHECK((facts.st_mode & 07777) == 0600);
  close(*fd);
}

TEST_CASE_FIXTURE(SpillFixture, "spill file: a directory that is not there is named, with what to do") {
  const auto file = SpillFile::create(loop(), dir.path("gone"));
  REQUIRE(!file.ok());
  CHECK(file.error().code == Errc::io);
  CHECK(file.error().message == "cannot create a temporary file in " + dir.path("gone") +
                                    ": No such file or directory; name another directory with --spill-dir");
}

TEST_CASE_FIXTURE(SpillFixture,
                  "spill file: may die with a write and a read under way, and nobody is called") {
  bool called = false;
  {
    SpillFile file = create();
    file.append(buffer_of("abc"), 3, [&](ssize_t) { called = true; });
    file.read(0, SpillFile::Buffer(new char[3]), 3, [&](ssize_t) { called = true; });
  }
  run_for(20);
  CHECK_FALSE(called);
}

TEST_CASE_FIXTURE(SpillFixture, "spill file: one that was moved goes on where it was") {
  SpillFile first = create();
  CHECK(append(first, "abc") == 3);
  SpillFile second(std::move(first));
  CHECK(append(second, "def") == 3);
  CHECK(read(second, 0, 10) == "abcdef");
}

TEST_CASE("spill directory: TMPDIR, or else what is meant for large files") {
  const char* inherited = getenv("TMPDIR");
  const std::string saved = inherited == nullptr ? "" : inherited;
  setenv("TMPDIR", "/somewhere", 1);
  CHECK(default_spill_dir() == "/somewhere");
  setenv("TMPDIR", "", 1);
  const std::string fallback = default_spill_dir();
  CHECK((fallback == "/var/tmp" || fallback == "/tmp"));
  if (inherited == nullptr)
    unsetenv("TMPDIR");
  else
    setenv("TMPDIR", saved.c_str(), 1);
}
