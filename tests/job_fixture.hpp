// What tests of jobs stand on: a loop, a store in a directory of its own, the spawner that runwired would take,
// and ways to look at what a command left.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "server/job.hpp"
#include "tests/loop_fixture.hpp"
#include "tests/scratch_dir.hpp"

namespace runwire::test {

inline std::unique_ptr<Spawner> make_best_spawner(uv_loop_t* loop) {
  auto native = make_native_spawner(loop);
  return native ? std::move(native) : make_uv_spawner(loop);
}

class StoreFixture : public LoopFixture {
 public:
  // All bytes of a finished stream, in order.
  std::string bytes_of(OutputLog& log) {
    std::string bytes;
    for (const std::string& chunk : log.take_memory()) bytes += chunk;
    SpillFile* file = log.file();
    if (file == nullptr) return bytes;
    const std::size_t size = file->size();
    const SpillFile::Buffer room(new char[size]);
    std::optional<ssize_t> read;
    file->read(0, room, size, [&](ssize_t count) { read = count; });
    REQUIRE(run_until([&] { return read.has_value(); }));
    REQUIRE(*read == static_cast<ssize_t>(size));
    return bytes.append(room.get(), size);
  }

  SpawnSpec spec(const std::string& command) const { return {"/bin/sh", command, dir.path(), dir.path()}; }

  ScratchDir dir;
  OutputStore store{loop(), dir.path()};
};

// A child whose every move is the test's: no process, only the pipes. It has no pid, so nothing is ever signalled.
class PuppetSpawner final : public Spawner {
 public:
  struct Puppet {
    std::string command;
    ChildEvents* events;
    int ends[2] = {-1, -1};  // the write ends of its stdout and stderr

    void close_stream(int stream) {
      if (ends[stream] >= 0) close(ends[stream]);
      ends[stream] = -1;
    }
    void write(int stream, std::string_view bytes) {
      REQUIRE(::write(ends[stream], bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    }
    void exit(int code) { events->child_exited({ExitStatus::exited(code)}); }
    void leave(int code) {
      close_stream(0);
      close_stream(1);
      exit(code);
    }
  };

  ~PuppetSpawner() override {
    for (const auto& puppet : puppets) {
      puppet->close_stream(0);
      puppet->close_stream(1);
    }
  }

  std::unique_ptr<Child> spawn(const SpawnSpec& spec, ChildEvents& events) override {
    puppets.push_back(std::make_unique<Puppet>(Puppet{spec.command, &events}));
    if (starts_at_once) start(*puppets.back());
    return std::make_unique<Child>();
  }

  void start(Puppet& puppet) {
    int out[2], err[2];
    REQUIRE(uv_pipe(out, UV_NONBLOCK_PIPE, 0) == 0);
    REQUIRE(uv_pipe(err, UV_NONBLOCK_PIPE, 0) == 0);
    puppet.ends[0] = out[1];
    puppet.ends[1] = err[1];
    puppet.events->child_started(0, {-1, out[0], err[0]});
  }

  Puppet& last() { return *puppets.back(); }

  bool starts_at_once = true;
  std::vector<std::unique_ptr<Puppet>> puppets;  // all that were ever asked for, in order
};

// Runs jobs one at a time and takes their results as a JobTable does.
template <class SpawnerKind> class JobFixtureOf : public StoreFixture, private JobSink {
 public:
  ~JobFixtureOf() {
    job.reset();
    result.reset();
    finish_work();
    CHECK(run_until([] { return !has_child(); }));  // which the spawner reaps
  }
  Job& start(const std::string& command, std::uint64_t max_output = std::uint64_t{4} << 30) {
    return start(spec(command), max_output);
  }
  Job& start(const SpawnSpec& spec, std::uint64_t max_output = std::uint64_t{4} << 30) {
    result.reset();
    over = false;
    JobSink& sink = *this;
    job = std::make_unique<Job>(1, 1, Job::Shared{store, processes, sink}, JobTerms{max_output});
    job->start(*spawner, spec);
    return *job;
  }
  const ReplyHeader& finish() {
    REQUIRE(run_until([&] { return result.has_value(); }));
    return result->header;
  }
  void wait_until_over() {
    REQUIRE(run_until([&] { return over; }));
  }
  std::string out() { return bytes_of(*result->stdout_log); }
  std::string err() { return bytes_of(*result->stderr_log); }

  ProcessTable processes;
  std::unique_ptr<SpawnerKind> spawner = make_spawner();
  std::unique_ptr<Job> job;
  std::optional<JobResult> result;
  int finished = 0;
  bool over = false;

 private:
  std::unique_ptr<SpawnerKind> make_spawner() {
    if constexpr (std::is_same_v<SpawnerKind, Spawner>)
      return make_best_spawner(loop());
    else
      return std::make_unique<SpawnerKind>();
  }
  void job_finished(JobId) override {
    ++finished;
    result = job->take_result();
  }
  void job_over(JobId) override { over = true; }
};

using JobFixture = JobFixtureOf<Spawner>;
using PuppetFixture = JobFixtureOf<PuppetSpawner>;

}  // namespace runwire::test
