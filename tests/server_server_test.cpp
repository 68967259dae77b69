#include "server/server.hpp"

#include "tests/captured_stream.hpp"
#include "tests/job_fixture.hpp"
#include "tests/local_client.hpp"
#include "tests/replies.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

// The whole daemon but main(), on a Unix socket of its own and, where asked for, on a free port.
class ServerFixture : public LoopFixture {
 public:
  ~ServerFixture() {
    server.reset();
    finish_work();
    CHECK(run_until([] { return !has_child(); }));
  }

  Options options() const {
    Options options;
    options.listen = {{dir.path("s"), "", 0}};
    options.cwd = options.spill_dir = dir.path();
    options.drain_timeout_ms = 5000;
    return options;
  }
  void start(Options options) {
    server = std::make_unique<Server>(loop(), *spawner, std::move(options));
    CapturedStream out(STDOUT_FILENO);
    const Status status = server->start();
    announced = out.text();
    REQUIRE(status.ok());
  }
  void start() { start(options()); }

  std::unique_ptr<Client> connect() { return std::make_unique<Client>(connect_to({dir.path("s"), "", 0})); }
  Reply reply_to(Client& client) {
    REQUIRE(run_until([&] { return !replies_in(client.received()).empty() || client.has_ended(); }));
    const auto replies = replies_in(client.received());
    REQUIRE(replies.size() == 1);
    return replies[0];
  }
  // Until the server stops the loop, as main() waits for it.
  bool runs_to_its_end() {
    bool late = false;
    const auto deadline = make_timer(loop(), &late);
    uv_timer_start(
        deadline.get(),
        [](uv_timer_t* timer) {
          *static_cast<bool*>(timer->data) = true;
          uv_stop(timer->loop);
        },
        kPatienceMs, 0);
    uv_run(loop(), UV_RUN_DEFAULT);
    return !late;
  }

  ScratchDir dir;
  std::unique_ptr<Spawner> spawner = make_best_spawner(loop());
  std::unique_ptr<Server> server;
  std::string announced;
};

}  // namespace

TEST_CASE_FIXTURE(ServerFixture, "server: says in one line where it listens and what to type") {
  Options both = options();
  both.listen.insert(both.listen.begin(), Address{"", "127.0.0.1", 0});
  start(both);
  CHECK(announced.starts_with("runwired "));
  CHECK(announced.find(" listening on 127.0.0.1:") != announced.npos);
  CHECK(announced.find(" and unix:" + dir.path("s") + " - try: runwire 127.0.0.1:") != announced.npos);
  CHECK(announced.ends_with(" 'uname -a'\n"));
  CHECK(std::count(announced.begin(), announced.end(), '\n') == 1);
}

TEST_CASE_FIXTURE(ServerFixture, "server: runs a command and answers, one after another on one connection") {
  start();
  const auto client = connect();
  for (std::size_t i = 1; i <= 3; ++i) {
    client->send("echo out; echo err >&2; exit " + std::to_string(i));
    REQUIRE(run_until([&] { return replies_in(client->received()).size() == i; }));
    const Reply reply = replies_in(client->received()).back();
    CHECK(reply.out() == "out\n");
    CHECK(reply.err() == "err\n");
    CHECK(reply.header.status == ExitStatus::exited(static_cast<int>(i)));
  }
}

TEST_CASE_FIXTURE(ServerFixture, "server: commands of different connections run side by side") {
  Gate gate(dir);
  start();
  const auto slow = connect(), quick = connect();
  slow->send(gate.wait() + "echo slow");
  quick->send("echo quick");
  CHECK(reply_to(*quick).out() == "quick\n");
  CHECK(replies_in(slow->received()).empty());
  gate.open_it();
  CHECK(reply_to(*slow).out() == "slow\n");
}

TEST_CASE_FIXTURE(ServerFixture, "server: an idle one stops at once and takes its socket away") {
  start();
  const auto client = connect();
  run_turns();
  server->stop();
  client->half_close();
  CHECK(runs_to_its_end());
  CHECK(client->has_ended());
  CHECK(access(dir.path("s").c_str(), F_OK) != 0);
}

TEST_CASE_FIXTURE(ServerFixture, "server: a command that runs may finish and is answered before the end") {
  Gate gate(dir);
  Lifeline child(dir);
  start();
  const auto client = connect();
  client->send(child.hold() + gate.wait() + "echo done");
  REQUIRE(run_until([&] { return child.has_come(); }));
  server->stop();
  run_for(50);
  CHECK_FALSE(client->has_ended());
  gate.open_it();
  CHECK(reply_to(*client).out() == "done\n");
  client->close();
  CHECK(runs_to_its_end());
}

TEST_CASE_FIXTURE(ServerFixture, "server: while it drains, what waits is refused and nobody new gets in") {
  Gate gate(dir);
  Lifeline child(dir);
  Options one = options();
  one.max_running = 1;
  start(one);
  const auto runs = connect(), waits = connect();
  runs->send(child.hold() + gate.wait());
  REQUIRE(run_until([&] { return child.has_come(); }));
  waits->send("echo never");
  run_for(30);
  server->stop();
  CHECK(reply_to(*waits).error() == error_name::kShutdown);
  CHECK(access(dir.path("s").c_str(), F_OK) != 0);
  gate.open_it();
  CHECK(reply_to(*runs).header.status.has_value());
  runs->close();
  waits->close();
  CHECK(runs_to_its_end());
}

TEST_CASE_FIXTURE(ServerFixture, "server: what outlasts the drain time is ended, and told why") {
  Lifeline child(dir);
  Options brief = options();
  brief.drain_timeout_ms = 50;
  start(brief);
  const auto client = connect();
  client->send(child.hold() + "sleep 1000");
  REQUIRE(run_until([&] { return child.has_come(); }));
  server->stop();
  CHECK(reply_to(*client).header.reason == Reason::shutdown);
  client->close();
  CHECK(runs_to_its_end());
  CHECK(run_until([&] { return child.is_gone(); }));
}

TEST_CASE_FIXTURE(ServerFixture, "server: a second stop ends at once even what ignores TERM") {
  Lifeline child(dir);
  start();
  const auto client = connect();
  client->send("trap '' TERM; " + child.hold() + "while :; do sleep 1000; done");
  REQUIRE(run_until([&] { return child.has_come(); }));
  server->stop();
  server->stop();
  CHECK(reply_to(*client).header.status == ExitStatus::killed(SIGKILL));
  client->close();
  CHECK(runs_to_its_end());
  CHECK(run_until([&] { return child.is_gone(); }));
}

TEST_CASE_FIXTURE(ServerFixture, "server: SIGTERM is a stop") {
  start();
  REQUIRE(kill(getpid(), SIGTERM) == 0);
  CHECK(runs_to_its_end());
}

TEST_CASE_FIXTURE(ServerFixture, "server: a client that vanishes takes its command with it") {
  Lifeline child(dir);
  start();
  const auto client = connect();
  client->send(child.hold() + "sleep 1000");
  REQUIRE(run_until([&] { return child.has_come(); }));
  client->close();
  CHECK(run_until([&] { return child.is_gone(); }));
}

TEST_CASE_FIXTURE(ServerFixture,
                  "server: beyond its connections it is busy, and has room again when one leaves") {
  Options eight = options();
  eight.max_connections = 8;
  start(eight);
  std::vector<std::unique_ptr<Client>> clients(8);
  for (auto& client : clients) client = connect();
  const auto refused = connect();
  CHECK(reply_to(*refused).error() == error_name::kBusy);
  refused->close();
  clients[0]->close();
  // Until the daemon has seen both of them go, more are turned away.
  std::unique_ptr<Client> next;
  REQUIRE(run_until([&] {
    if (!next || next->has_ended()) {
      next = connect();
      next->send("echo room");
    }
    const auto replies = replies_in(next->received());
    if (!replies.empty() && replies[0].error() == error_name::kBusy) next.reset();
    return next && !replies.empty();
  }));
  CHECK(replies_in(next->received())[0].out() == "room\n");
}

TEST_CASE_FIXTURE(ServerFixture, "server: one that cannot listen says why and leaves nothing behind") {
  Options wrong = options();
  wrong.listen.push_back({"", "192.0.2.1", 1});
  server = std::make_unique<Server>(loop(), *spawner, wrong);
  const Status status = server->start();
  REQUIRE(!status.ok());
  CHECK(status.error().code == Errc::invalid_argument);
  server.reset();
  CHECK(access(dir.path("s").c_str(), F_OK) != 0);
}

TEST_CASE_FIXTURE(ServerFixture, "server: may die with clients and commands of every kind, and leaves none") {
  Lifeline child(dir);
  start();
  const auto idle = connect(), runs = connect(), half = connect();
  runs->send(child.hold() + "yes");
  half->send(std::string(600, ' '));
  REQUIRE(run_until([&] { return child.has_come(); }));
  server.reset();
  CHECK(run_until(
      [&] { return child.is_gone() && idle->has_ended() && runs->has_ended() && half->has_ended(); }));
}
