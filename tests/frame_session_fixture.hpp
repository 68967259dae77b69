// A session whose channel is the test's, and frames to say in it.
#pragma once

#include <sys/ioctl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/limits.hpp"
#include "server/frame_session.hpp"
#include "server/kept_jobs.hpp"
#include "server/plain_session.hpp"
#include "tests/fake_channel.hpp"
#include "tests/job_fixture.hpp"
#include "tests/session_frames.hpp"

namespace runwire::test {

using Puppet = PuppetSpawner::Puppet;

inline const std::string kHello = R"({"type":"hello","v":1})";

inline std::string hello_with_window(std::uint64_t window) { return to_json(ClientHello{window}); }

inline std::string start_frame(const std::string& id, const std::string& fields = "",
                               const std::string& line = "true") {
  return frame_of(R"({"type":"start","id":")" + id + R"(","shell":true,)" + fields + R"("len":)" +
                      std::to_string(line.size()) + "}",
                  line);
}

inline std::string stdin_frame(const std::string& id, std::uint64_t off, const std::string& bytes,
                               bool eof = false) {
  return frame_of(to_json(StdinBytes{id, off, eof, bytes.size()}), bytes);
}

// One session over a channel that is the test's, its commands run by a spawner of that kind.
template <class SpawnerKind> class SessionFixtureOf : public StoreFixture, private JobClients {
 public:
  SessionFixtureOf() { renew(); }
  ~SessionFixtureOf() {
    end_session();
    kept.reset();
    jobs.reset();
    finish_work();
    CHECK(run_until([] { return !has_child(); }));
    CHECK(requests.left() == kRequestMemoryBytes);
  }

  // A new session of a new client; what the last one has running is abandoned.
  void renew(JobLimits limits = {4, 10, 1 << 24, 10}) {
    end_session();
    SpawnSpec how = spec("");
    how.mark = "RUNWIRE_JOB=unit-";
    JobClients& clients = *this;
    kept.reset();
    jobs = std::make_unique<JobTable>(store, *spawner, clients, limits, how);
    kept = std::make_unique<KeptJobs>(
        KeptJob::Ground{*jobs, store, arena, requests, inputs, spill_bytes, follower_timeout_ms},
        kept_limits);
    channel = FakeChannel();
    const FrameSession::Context context{*jobs, *kept, store, requests, inputs, max_replies, hello};
    session = std::make_unique<FrameSession>(1, channel, context);
  }
  void end_session() {
    if (session) jobs->abandon(1);
    session.reset();
  }

  void receive(std::string_view bytes) {
    channel.quiet_ms = 0;
    session->received(bytes);
  }
  void say(std::string_view header, std::string_view payload = "") { receive(frame_of(header, payload)); }
  void open(const std::string& client_hello = kHello) {
    receive(std::string(kPreface) + frame_of(client_hello));
    REQUIRE(names() == "hello");
    heard_ = 1;
  }
  void go_quiet() {
    REQUIRE(channel.quiet_ms > 0);
    channel.quiet_ms = 0;
    session->quiet();
  }
  // The peer takes all that is on its way to it.
  void drain() {
    REQUIRE(channel.flow(channel.waiting));
    session->drained();
  }

  std::vector<SessionFrame> frames() const { return session_frames_in(channel.sent); }
  std::string names() const { return names_of(frames()); }
  // Those that were not looked at yet.
  std::vector<SessionFrame> news() {
    auto all = frames();
    const auto from = all.begin() + static_cast<std::ptrdiff_t>(std::exchange(heard_, all.size()));
    return {from, all.end()};
  }
  std::string names_of_news() { return names_of(news()); }
  void wait_for_frames(std::size_t more) {
    REQUIRE(run_until([&] { return frames().size() >= heard_ + more; }));
  }
  // The last frame, an error.
  SessionError last_error() const {
    const auto all = frames();
    REQUIRE_FALSE(all.empty());
    return all.back().template as<SessionError>();
  }
  // One error without an id, the last frame, and the end of the session.
  void check_failed(const std::string& error, const std::string& words = "") {
    const auto now = news();
    REQUIRE_MESSAGE(now.size() == 1, names_of(now));
    CHECK(last_error().id.empty());
    CHECK(last_error().error.error == error);
    CHECK_MESSAGE(last_error().error.message.find(words) != std::string::npos, last_error().error.message);
    CHECK(channel.finished);
    CHECK(channel.dropped.empty());
    receive(start_frame("late") + "\xff\xff\xff\xff");
    session->quiet();
    CHECK(news().empty());
  }

  std::unique_ptr<SpawnerKind> spawner = make_spawner();
  MemoryBudget requests{kRequestMemoryBytes};
  MemoryBudget inputs{kInputMemoryBytes};
  std::size_t max_replies = 100;
  ServerHello hello{"00ff", "a daemon", {}, 0};
  FakeChannel channel;
  SpillArena arena{store, 1 << 24};
  std::uint64_t spill_bytes = 1 << 22;
  unsigned follower_timeout_ms = 0;
  KeptJobs::Limits kept_limits{100, 3600 * 1000};
  std::unique_ptr<JobTable> jobs;
  std::unique_ptr<KeptJobs> kept;
  std::unique_ptr<FrameSession> session;
  std::size_t finished = 0;

 private:
  std::unique_ptr<SpawnerKind> make_spawner() {
    if constexpr (std::is_same_v<SpawnerKind, Spawner>)
      return make_best_spawner(loop());
    else
      return std::make_unique<SpawnerKind>();
  }
  void command_finished(ConnectionId client, JobId id, JobResult result) override {
    ++finished;
    if (KeptJobs::owns(client)) return kept->command_finished(id, std::move(result));
    if (session) session->command_finished(id, std::move(result));
  }
  void jobs_are_idle() override {}

  std::size_t heard_ = 0;
};

// Its commands are the test's, too.
class FrameSessionFixture : public SessionFixtureOf<PuppetSpawner> {
 public:
  // Starts a command whose `started` has been heard.
  Puppet& start(const std::string& id, const std::string& fields = "") {
    receive(start_frame(id, fields));
    Puppet& child = next();
    wait_for_frames(1);
    REQUIRE(names_of_news() == "started " + id);
    return child;
  }
  // The next command that is started.
  Puppet& next() {
    REQUIRE(run_until([&] { return spawner->puppets.size() > started_; }));
    return *spawner->puppets.at(started_++);
  }
  bool nothing_started() {
    run_turns();
    return spawner->puppets.size() == started_;
  }
  void leave(Puppet& child, int code = 0) {
    const std::size_t before = finished;
    child.leave(code);
    REQUIRE(run_until([&] { return finished > before; }));
  }
  // The command writes, and the session has read it all.
  void write(Puppet& child, int stream, std::string_view bytes) {
    child.write(stream, bytes);
    REQUIRE(run_until([&] { return bytes_waiting(child, stream) == 0; }));
  }
  static int bytes_waiting(const Puppet& child, int stream) {
    int waiting = 0;
    REQUIRE(ioctl(child.ends[stream], FIONREAD, &waiting) == 0);
    return waiting;
  }

 private:
  std::size_t started_ = 0;
};

using RealSessionFixture = SessionFixtureOf<Spawner>;

inline std::string letters(std::size_t count) { return std::string(count, 'a'); }

}  // namespace runwire::test
