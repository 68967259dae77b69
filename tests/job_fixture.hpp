// What tests of jobs stand on: a loop, a store in a directory of its own, the spawner that runwired would take,
// and ways to look at what a command left.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "server/job.hpp"
#include "tests/loop_fixture.hpp"
#include "tests/scratch_dir.hpp"

namespace runwire::test {

inline std::unique_ptr<Spawner> make_best_spawner(uv_loop_t* loop) {
  auto native = make_native_spawner(loop);
  return native ? std::move(native) : make_uv_spawner(loop, RUNWIRE_RUNWIRED);
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
    SpawnSpec spec = {};
    int ends[2] = {-1, -1};  // the write ends of its stdout and stderr
    int in = -1;             // the read end of its stdin, where it is a pipe
    std::string input = {};  // read from there so far
    bool input_ended = false;
    bool has_exited = false;

    void close_stream(int stream) { close_end(ends[stream]); }
    void close_input() { close_end(in); }
    void write(int stream, std::string_view bytes) {
      REQUIRE(::write(ends[stream], bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    }
    // All that is there to be read of its stdin, with what was read before.
    const std::string& read_input() {
      char bytes[65536];
      for (ssize_t count = 1; in >= 0 && count > 0;) {
        count = ::read(in, bytes, sizeof bytes);
        if (count > 0) input.append(bytes, static_cast<std::size_t>(count));
        if (count == 0) input_ended = true;
      }
      return input;
    }
    void exit(int code) {
      has_exited = true;
      events->child_exited({ExitStatus::exited(code)});
    }
    void leave(int code) {
      close_all();
      exit(code);
    }
    void close_all() {
      close_stream(0);
      close_stream(1);
      close_input();
    }

   private:
    static void close_end(int& end) {
      if (end >= 0) close(end);
      end = -1;
    }
  };

  ~PuppetSpawner() override {
    for (const auto& puppet : puppets) puppet->close_all();
  }

  std::unique_ptr<Child> spawn(const SpawnSpec& spec, ChildEvents& events) override {
    puppets.push_back(std::make_unique<Puppet>(Puppet{spec.command, &events, spec}));
    if (starts_at_once) start(*puppets.back());
    return std::make_unique<Child>();
  }

  void start(Puppet& puppet) {
    int out[2], err[2];
    REQUIRE(uv_pipe(out, UV_NONBLOCK_PIPE, 0) == 0);
    REQUIRE(uv_pipe(err, UV_NONBLOCK_PIPE, 0) == 0);
    puppet.ends[0] = out[1];
    puppet.ends[1] = err[1];
    int in[2] = {-1, -1};
    if (puppet.spec.takes_stdin) REQUIRE(uv_pipe(in, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE) == 0);
    puppet.in = in[0];
    puppet.events->child_started(0, {in[1], out[0], err[0]});
  }

  Puppet& last() { return *puppets.back(); }

  bool starts_at_once = true;
  std::vector<std::unique_ptr<Puppet>> puppets;  // all that were ever asked for, in order
};

// Who follows a job: remembers what it was told, and has as much room as the test says.
struct Follower final : JobListener {
  void job_started(JobId, pid_t with) override {
    ++starts;
    pid = with;
  }
  std::size_t output_room(JobId, StdStream) override { return room; }
  void job_output(JobId, StdStream stream, std::string_view bytes) override {
    (stream == StdStream::out ? out : err) += bytes;
    largest = std::max(largest, bytes.size());
  }
  void input_taken(JobId, std::size_t bytes) override { taken += bytes; }
  void input_closed(JobId) override { ++closings; }

  int starts = 0;
  pid_t pid = -1;
  std::size_t room = kReadBytes;
  std::string out, err;
  std::size_t largest = 0;  // of what came at once
  std::size_t taken = 0;
  int closings = 0;
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
    make(JobTerms{max_output}, nullptr).start(*spawner, spec);
    return *job;
  }
  // One whose output is handed on to `follower`.
  Job& start_stream(const SpawnSpec& spec, JobTerms terms = {}) {
    terms.form = ReplyForm::stream;
    make(std::move(terms), &follower).start(*spawner, spec);
    return *job;
  }
  // One that is not started yet.
  Job& make(JobTerms terms, JobListener* listener) {
    result.reset();
    over = false;
    follower = Follower();
    JobSink& sink = *this;
    job =
        std::make_unique<Job>(1, 1, Job::Shared{store, processes, sink, cgroups}, std::move(terms), listener);
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
  const CgroupTree* cgroups = nullptr;
  std::unique_ptr<SpawnerKind> spawner = make_spawner();
  Follower follower;
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
