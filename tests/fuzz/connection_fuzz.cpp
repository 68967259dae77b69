// The production Connection over a real socket, with whatever a client can send and do, and commands that do whatever
// commands can do, in any order.
//
// Input: a script of steps. Each is a byte that says which (make_seeds.py has their names), and what belongs to it.
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "proto/frame.hpp"
#include "server/connection.hpp"
#include "server/job_table.hpp"
#include "server/kept_jobs.hpp"
#include "server/log.hpp"
#include "tests/fuzz/scripted_spawner.hpp"
#include "tests/fuzz/server_words.hpp"

using namespace runwire;
using namespace runwire::fuzz;

namespace {

constexpr std::size_t kRequestBytes = 4 << 20;
constexpr std::size_t kMaxSteps = 400;

class Script {
 public:
  Script(const std::uint8_t* data, std::size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  bool is_over() const { return rest_.empty(); }
  unsigned byte() {
    const unsigned value = is_over() ? 0 : static_cast<unsigned char>(rest_[0]);
    rest_.remove_prefix(is_over() ? 0 : 1);
    return value;
  }
  std::string_view bytes(std::size_t count) {
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  std::string_view counted() { return bytes(counted_size()); }
  std::size_t counted_size() {
    const unsigned low = byte();
    return low < 0xff ? low : 0xffu + (byte() << 4);
  }

 private:
  std::string_view rest_;
};

class Stage : private JobClients {
 public:
  Stage() {
    require(uv_loop_init(&loop_) == 0, "a loop is to be had");
    parts_ = std::make_unique<Parts>(*this);
  }

  void play(Script script) {
    for (std::size_t step = 0; step < kMaxSteps && !script.is_over(); ++step) {
      const unsigned which = script.byte();
      take_step(which & 0x0f, script);
      if ((which & 0x80) == 0) turn();
    }
    leave();
  }

 private:
  // Everything that stands on the loop.
  struct Parts {
    explicit Parts(Stage& stage)
        : store(&stage.loop_, "/tmp"),
          jobs(store, spawner, stage, {3, 4, 1 << 18, 2}, {"/bin/sh", "", "/", "/tmp"}),
          context{jobs,
                  kept,
                  store,
                  requests,
                  inputs,
                  100,
                  hello,
                  [&stage](ConnectionId id) { stage.on_closed(id); },
                  [](ConnectionId, std::string_view) {}},
          retired(&stage.loop_) {}

    ScriptedSpawner spawner;
    OutputStore store;
    JobTable jobs;
    MemoryBudget requests{kRequestBytes};
    MemoryBudget inputs{kInputMemoryBytes};
    SpillArena arena{store, 1 << 20};
    KeptJobs kept{{jobs, store, arena, requests, inputs, 1 << 20, 1000}, {4, 1000}};
    ServerHello hello{std::string(32, '0'), "fuzzed", {}, 15000};
    Connection::Context context;
    std::unique_ptr<Connection> connection;
    RetireList<Connection> retired;
  };

  void begin(bool is_session) {
    int ends[2];
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0,
            "sockets are to be had");
    client_ = Descriptor(ends[0]);
    auto pipe = make_handle<uv_pipe_t>(nullptr, [this](uv_pipe_t* p) { return uv_pipe_init(&loop_, p, 0); });
    require(uv_pipe_open(pipe.get(), ends[1]) == 0, "a socket can be served");
    words_.choose(is_session);
    parts_->connection = std::make_unique<Connection>(1, std::move(pipe), parts_->context);
    parts_->connection->start();
  }

  void say(std::string_view bytes) {
    if (bytes.empty()) return;
    if (!has_begun_) begin(bytes.front() == '\0');
    has_begun_ = true;
    if (client_.get() < 0) return;
    const ssize_t sent = ::send(client_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) words_.said(bytes.substr(0, static_cast<std::size_t>(sent)));
  }

  void say_frame(Script& script) {
    const std::string header(script.counted());
    const std::string payload(script.counted());
    if (header.size() >= kMinHeaderBytes) say(frame_head(header) + payload);
  }

  void hear() {
    char bytes[16384];
    for (ssize_t count; client_.get() >= 0;) {
      count = recv(client_.get(), bytes, sizeof bytes, 0);
      if (count <= 0) return;
      words_.hear({bytes, static_cast<std::size_t>(count)});
    }
  }

  ScriptedSpawner::Puppet* puppet(Script& script) {
    auto& puppets = parts_->spawner.puppets;
    number_ = puppets.empty() ? 0 : script.byte() % puppets.size();
    return puppets.empty() ? nullptr : puppets[number_].get();
  }

  void take_step(unsigned which, Script& script) {
    if (which <= 3) return say(script.counted());
    if (which <= 7) return say_frame(script);
    if (which == 8) return hear();
    if (which == 9) return turn();
    if (which == 10) return do_to_client(script.byte());
    if (auto* child = puppet(script)) do_to_child(which, *child, script);
  }

  void do_to_client(unsigned how) {
    if (client_.get() < 0) return;
    if (how % 4 == 0) client_ = Descriptor();
    if (how % 4 == 1) shutdown(client_.get(), SHUT_WR);
    if (how % 4 == 2 && parts_->connection) parts_->connection->wind_up();
    if (how % 4 == 3) shutdown(client_.get(), SHUT_RD);
  }

  void do_to_child(unsigned which, ScriptedSpawner::Puppet& child, Script& script) {
    const unsigned how = script.byte();
    const std::string bytes(which == 11 ? script.byte() * 64 + 1 : 0, 'o');
    if (which == 11 && child.ends[how % 2].get() >= 0)
      (void)!write(child.ends[how % 2].get(), bytes.data(), bytes.size());
    if (which == 12) child.ends[how % 2] = Descriptor();
    if (which == 13 && how % 2 == 0) child.in = Descriptor();
    if (which == 13 && how % 2 == 1) read_input(child, how);
    if (which == 14)
      parts_->spawner.exit(number_,
                           how < 128 ? ExitStatus::exited(static_cast<int>(how)) : ExitStatus::killed(9));
    if (which == 15 && how % 4 == 0) parts_->spawner.fail(number_);
  }

  void read_input(ScriptedSpawner::Puppet& child, unsigned how) {
    char bytes[65536];
    if (child.in.get() >= 0)
      (void)!read(child.in.get(), bytes, std::min<std::size_t>(sizeof bytes, how * 300));
  }

  void turn() { uv_run(&loop_, UV_RUN_NOWAIT); }

  // The client goes, and then the commands do.
  void leave() {
    hear();
    client_ = Descriptor();
    turn();
    auto& spawner = parts_->spawner;
    const auto is_over = [this] { return parts_->jobs.is_idle() && !parts_->connection; };
    for (int again = 0; again < 100 && !is_over(); ++again) {
      for (std::size_t number = 0; number < spawner.puppets.size(); ++number) {
        spawner.puppets[number]->end();
        spawner.exit(number, ExitStatus::exited(0));
      }
      turn();
    }
    // Output that nobody takes, of a kept command that is over, is waited for: for a time, not for a number of turns.
    for (int timers = 0; timers < 20 && !is_over(); ++timers) uv_run(&loop_, UV_RUN_ONCE);
    require(!parts_->connection, "a connection ends with its client");
    require(parts_->jobs.is_idle(), "the commands of a client end with it");
    require(parts_->requests.left() == kRequestBytes, "no memory for requests is kept");
    parts_.reset();
    // What the pool of threads has under way ends by itself, but not within a number of turns.
    const auto mode = [this] { return loop_.active_reqs.count > 0 ? UV_RUN_ONCE : UV_RUN_NOWAIT; };
    for (int again = 0; again < 100 && uv_run(&loop_, mode()) != 0; ++again) {
    }
    require(uv_loop_close(&loop_) == 0, "nothing is left on the loop");
  }

  void on_closed(ConnectionId id) {
    parts_->jobs.abandon(id);
    parts_->retired.add(std::move(parts_->connection));
  }
  void command_finished(ConnectionId client, JobId id, JobResult result) override {
    if (KeptJobs::owns(client)) return parts_->kept.command_finished(id, std::move(result));
    if (parts_->connection) parts_->connection->command_finished(id, std::move(result));
  }
  void jobs_are_idle() override {}

  uv_loop_t loop_{};
  std::unique_ptr<Parts> parts_;
  Descriptor client_;
  ServerWords words_;
  bool has_begun_ = false;
  std::size_t number_ = 0;  // of the child that a step is about
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool is_quiet = [] {
    std::signal(SIGPIPE, SIG_IGN);
    log::set_level(log::Level::error);
    return true;
  }();
  (void)is_quiet;
  Stage().play(Script(data, size));
  return 0;
}
