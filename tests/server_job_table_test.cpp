#include <fcntl.h>

#include <ctime>

#include "server/job_table.hpp"
#include "server/wind_up.hpp"
#include "tests/job_fixture.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

// Who waits for commands: remembers what came.
struct Waiting : JobClients {
  void command_finished(ConnectionId client, JobId, JobResult result) override {
    clients.push_back(client);
    results.push_back(std::move(result));
    if (on_finished) on_finished();
  }
  void jobs_are_idle() override { ++idle; }

  std::vector<ConnectionId> clients;
  std::vector<JobResult> results;
  std::function<void()> on_finished;
  int idle = 0;
};

template <class SpawnerKind> class TableFixtureOf : public StoreFixture {
 public:
  ~TableFixtureOf() {
    table.reset();
    waiting.results.clear();
    finish_work();
    CHECK(run_until([] { return !has_child(); }));
  }

  void make(JobLimits limits) {
    table = std::make_unique<JobTable>(store, *spawner, waiting, limits, spec(""));
  }
  void wait_for(std::size_t results) {
    REQUIRE(run_until([&] { return waiting.results.size() >= results; }));
  }
  void wait_until_idle() {
    REQUIRE(run_until([&] { return table->is_idle(); }));
  }
  void submit(ConnectionId client, const std::string& command) { REQUIRE(table->submit(client, {command})); }

  std::unique_ptr<SpawnerKind> spawner = [&] {
    if constexpr (std::is_same_v<SpawnerKind, Spawner>)
      return make_best_spawner(loop());
    else
      return std::make_unique<SpawnerKind>();
  }();
  Waiting waiting;
  std::unique_ptr<JobTable> table;
};

class TableFixture : public TableFixtureOf<Spawner> {
 public:
  TableFixture() { make({4, 10, 1 << 20, 10}); }
};

class PuppetTable : public TableFixtureOf<PuppetSpawner> {
 public:
  PuppetTable() { make({2, 3, 1 << 20, 2}); }
  std::string commands() const {
    std::string all;
    for (const auto& puppet : spawner->puppets) all += puppet->command + " ";
    return all;
  }
  void wait_for_starts(std::size_t count) {
    REQUIRE(run_until([&] { return spawner->puppets.size() == count; }));
  }
  PuppetSpawner::Puppet& puppet(std::size_t index) { return *spawner->puppets.at(index); }
};

}  // namespace

TEST_CASE_FIXTURE(TableFixture, "job table: a command's result goes to the client that submitted it") {
  submit(7, "echo seven");
  submit(8, "echo eight; exit 8");
  wait_for(2);
  for (std::size_t i = 0; i < 2; ++i) {
    const bool seven = waiting.clients[i] == 7;
    CHECK(bytes_of(*waiting.results[i].stdout_log) == (seven ? "seven\n" : "eight\n"));
    CHECK(waiting.results[i].header.status == ExitStatus::exited(seven ? 0 : 8));
  }
  wait_until_idle();
}

TEST_CASE_FIXTURE(PuppetTable, "job table: a terminal is opened with the size that its client said last") {
  JobRequest request{"a"};
  request.pty = PtyWish{{30, 100}, "xterm"};
  const auto id = table->submit(1, std::move(request));
  REQUIRE(id);
  table->find(*id)->resize({41, 123});
  wait_for_starts(1);
  REQUIRE(puppet(0).spec.terminal);
  CHECK(puppet(0).spec.terminal->rows == 41);
  CHECK(puppet(0).spec.terminal->cols == 123);
  puppet(0).leave(0);
  wait_until_idle();
}

TEST_CASE_FIXTURE(PuppetTable, "job table: a command starts in a later turn than it was submitted in") {
  submit(1, "a");
  CHECK(spawner->puppets.empty());
  CHECK(table->queued() == 1);
  wait_for_starts(1);
  CHECK(table->running() == 1);
  CHECK(table->queued() == 0);
}

TEST_CASE_FIXTURE(PuppetTable, "job table: whoever fills a pipe beside others is read from before it ends") {
  for (const char* command : {"a", "b"}) submit(1, command);
  wait_for_starts(2);
  for (std::size_t i = 0; i < 2; ++i) {
    CAPTURE(i);
    const int end = puppet(i).ends[0];
    fcntl(end, F_SETFL, O_NONBLOCK);
    while (::write(end, "x", 1) == 1) continue;
    CHECK(run_until([end] { return ::write(end, "x", 1) == 1; }));
  }
}

TEST_CASE_FIXTURE(PuppetTable,
                  "job table: no more run at once than may, the rest start as places come free") {
  for (const char* command : {"a", "b", "c", "d"}) submit(1, command);
  wait_for_starts(2);
  run_turns();
  CHECK(table->running() == 2);
  CHECK(table->queued() == 2);
  puppet(1).leave(0);
  wait_for_starts(3);
  CHECK(table->running() == 2);
  CHECK(commands() == "a b c ");
}

TEST_CASE_FIXTURE(PuppetTable, "job table: clients that wait take turns") {
  submit(1, "run");
  submit(1, "run");
  wait_for_starts(2);
  submit(1, "a1");
  submit(1, "a2");
  submit(2, "b1");
  for (std::size_t i = 0; i < 3; ++i) {
    puppet(i).leave(0);
    wait_for_starts(3 + i);
  }
  CHECK(commands() == "run run a1 b1 a2 ");
}

TEST_CASE_FIXTURE(PuppetTable, "job table: takes as many as may run and wait, and refuses the next") {
  for (int i = 0; i < 5; ++i) CHECK(table->submit(1, {"x"}));  // 2 free places + 3 waiting, none started yet
  CHECK_FALSE(table->submit(1, {"x"}));
  wait_for_starts(2);
  CHECK_FALSE(table->submit(2, {"x"}));
  puppet(0).leave(0);
  wait_for_starts(3);
  CHECK(table->submit(2, {"x"}));
  CHECK_FALSE(table->submit(2, {"x"}));
}

TEST_CASE_FIXTURE(PuppetTable, "job table: what an abandoned client has queued never starts") {
  for (const char* command : {"a", "b"}) submit(1, command);
  wait_for_starts(2);
  submit(2, "never");
  submit(3, "c");
  table->abandon(2);
  CHECK(table->queued() == 1);
  puppet(0).leave(0);
  wait_for_starts(3);
  CHECK(commands() == "a b c ");
}

TEST_CASE_FIXTURE(TableFixture, "job table: what an abandoned client has running is ended") {
  Lifeline child(dir);
  submit(1, child.hold() + "sleep 1000");
  submit(2, "echo other");
  REQUIRE(run_until([&] { return child.has_come(); }));
  table->abandon(1);
  wait_for(2);
  for (std::size_t i = 0; i < 2; ++i)
    CHECK(waiting.results[i].header.reason ==
          (waiting.clients[i] == 1 ? Reason::client_gone : Reason::exited));
  wait_until_idle();
  CHECK(run_until([&] { return child.is_gone(); }));
}

TEST_CASE_FIXTURE(PuppetTable, "job table: abandoning a client that has nothing is nothing") {
  table->abandon(99);
  CHECK(table->is_idle());
}

TEST_CASE_FIXTURE(PuppetTable, "job table: dropped commands get a reply of their own and never start") {
  for (const char* command : {"a", "b", "c", "d"}) submit(1, command);
  wait_for_starts(2);
  table->drop_queued(refusal_of(WindUp::shutdown));
  REQUIRE(waiting.results.size() == 2);
  CHECK(waiting.results[0].header.error->error == error_name::kShutdown);
  CHECK(table->queued() == 0);
  puppet(0).leave(0);
  puppet(1).leave(0);
  wait_for(4);
  CHECK(commands() == "a b ");
}

TEST_CASE_FIXTURE(PuppetTable,
                  "job table: a client may submit its next command from within the result of its last") {
  int rounds = 0;
  waiting.on_finished = [&] {
    if (++rounds < 20) CHECK(table->submit(1, {"next"}));
  };
  submit(1, "first");
  for (std::size_t i = 0; i < 20; ++i) {
    wait_for_starts(i + 1);
    puppet(i).leave(0);
  }
  wait_for(20);
  wait_until_idle();
}

TEST_CASE_FIXTURE(PuppetTable, "job table: a client may be abandoned from within its result") {
  waiting.on_finished = [&] { table->abandon(1); };
  submit(1, "a");
  submit(1, "b");
  wait_for_starts(2);
  puppet(0).leave(0);
  wait_for(1);
  puppet(1).leave(0);
  wait_for(2);
  wait_until_idle();
}

TEST_CASE_FIXTURE(TableFixture, "job table: failed starts give their places back, every one") {
  table.reset();
  dir.remove();  // the working directory of them all
  make({4, 2000, 1 << 20, 10});
  for (int i = 0; i < 1000; ++i) submit(1 + i % 7, "true");
  wait_for(1000);
  for (const JobResult& result : waiting.results) {
    REQUIRE(result.header.error.has_value());
    CHECK(result.header.error->stage == "cwd");
    CHECK(result.header.error->errno_name == "ENOENT");
  }
  CHECK(table->running() == 0);
  wait_until_idle();
  CHECK(store.memory().left() == kOutputMemoryBytes);
}

TEST_CASE_FIXTURE(TableFixture, "job table: end_all ends what runs and, after the grace, who ignores that") {
  Lifeline polite(dir, "polite"), stubborn(dir, "stubborn");
  submit(1, polite.hold() + "sleep 1000");
  submit(2, "trap '' TERM; " + stubborn.hold() + "while :; do sleep 1000; done");
  REQUIRE(run_until([&] { return polite.has_come() && stubborn.has_come(); }));
  table->end_all(Reason::shutdown, 50);
  wait_for(2);
  for (const JobResult& result : waiting.results) CHECK(result.header.reason == Reason::shutdown);
  wait_until_idle();
  CHECK(run_until([&] { return polite.is_gone() && stubborn.is_gone(); }));
}

TEST_CASE_FIXTURE(TableFixture,
                  "job table: is not idle while a group is left to kill, and a second end_all hurries") {
  Lifeline member(dir);
  submit(1, "(trap '' TERM; " + member.hold() + "exec >&- 2>&-; exec sleep 1000) & wait");
  REQUIRE(run_until([&] { return member.has_come(); }));
  table->end_all(Reason::shutdown, 1000000);
  wait_for(1);
  CHECK(table->running() == 0);
  CHECK_FALSE(table->is_idle());
  CHECK(waiting.idle == 0);
  table->end_all(Reason::shutdown, 0);
  wait_until_idle();
  CHECK(waiting.idle > 0);
  CHECK(run_until([&] { return member.is_gone(); }));
}

TEST_CASE_FIXTURE(TableFixture, "job table: beyond the bound the oldest background process loses its pipe") {
  table.reset();
  make({4, 10, 1 << 20, 2});
  std::vector<std::unique_ptr<Gate>> gates;
  std::vector<std::unique_ptr<Lifeline>> lives;
  for (int i = 0; i < 3; ++i) {
    gates.push_back(std::make_unique<Gate>(dir, "gate" + std::to_string(i)));
    lives.push_back(std::make_unique<Lifeline>(dir, "life" + std::to_string(i)));
    submit(1, "(" + lives.back()->hold() + gates.back()->wait() + "echo x; echo alive >&9; " +
                  "exec sleep 1000) & exit 0");
    wait_for(static_cast<std::size_t>(i) + 1);
    CHECK(waiting.results.back().header.cut);
  }
  gates[0]->open_it();
  CHECK(run_until([&] { return lives[0]->is_gone(); }));  // `echo x` met a closed pipe
  CHECK_FALSE(lives[1]->is_gone());
  CHECK_FALSE(lives[2]->is_gone());
  wait_until_idle();
  table.reset();
  for (int i = 1; i < 3; ++i) gates[static_cast<std::size_t>(i)]->open_it();
  for (auto& life : lives) CHECK(run_until([&] { return life->is_gone(); }));
}

TEST_CASE_FIXTURE(TableFixture, "job table: may die while commands run, and leaves none of them") {
  Lifeline child(dir);
  submit(1, child.hold() + "sleep 1000");
  submit(2, "echo; sleep 1000");
  REQUIRE(run_until([&] { return child.has_come(); }));
  table.reset();
  CHECK(run_until([&] { return child.is_gone() && !has_child(); }));
}

TEST_CASE_FIXTURE(PuppetTable, "job table: says that it is idle when the last command is over, not before") {
  submit(1, "a");
  wait_for_starts(1);
  CHECK(waiting.idle == 0);
  puppet(0).leave(0);
  wait_until_idle();
  CHECK(waiting.idle == 1);
}

namespace {

// Starts nothing; remembers where it was told what to start.
struct FailingSpawner final : Spawner {
  std::unique_ptr<Child> spawn(const SpawnSpec& spec, ChildEvents& events) override {
    told = &spec;
    events.child_failed({"exec", UV_ENOENT});
    return nullptr;
  }
  const SpawnSpec* told = nullptr;
};

}  // namespace

TEST_CASE_FIXTURE(TableFixtureOf<FailingSpawner>,
                  "job table: of what a request says nothing stays when it was started") {
  make({1, 1, 1 << 20, 1});
  const std::string word(100000, 'x');
  JobRequest request{word, {word, word}, {word, word}};
  REQUIRE(table->submit(1, std::move(request)));
  wait_for(1);
  REQUIRE(spawner->told != nullptr);
  const SpawnSpec& spec = *spawner->told;
  CHECK(spec.command.capacity() < word.size());
  CHECK(spec.argv.capacity() == 0);
  CHECK(spec.environment.capacity() == 0);
}

// --- commands of sessions ---

namespace {

class StreamTable : public PuppetTable {
 public:
  JobId submit_stream(ConnectionId client, JobRequest request) {
    request.terms.form = ReplyForm::stream;
    const auto id = table->submit(client, std::move(request), &follower);
    REQUIRE(id.has_value());
    return *id;
  }
  // With commands whose processes are found by a mark that begins so.
  void make_with_mark(const std::string& mark) {
    SpawnSpec how = spec("");
    how.mark = mark;
    table = std::make_unique<JobTable>(store, *spawner, waiting, JobLimits{2, 3, 1 << 20, 2}, how);
  }

  Follower follower;
};

}  // namespace

TEST_CASE_FIXTURE(StreamTable, "job table: a job can be found from its submission until it is finished") {
  CHECK(table->find(1) == nullptr);
  const JobId id = submit_stream(1, {"a"});
  Job* const job = table->find(id);
  REQUIRE(job != nullptr);
  CHECK(job->state() == JobState::waiting);
  CHECK(job->id() == id);
  wait_for_starts(1);
  CHECK(table->find(id) == job);
  CHECK(job->state() == JobState::running);
  puppet(0).leave(0);
  wait_for(1);
  CHECK(table->find(id) == nullptr);
  CHECK(table->find(id + 1) == nullptr);
}

TEST_CASE_FIXTURE(StreamTable,
                  "job table: what is said to a job that waits for its turn counts when it comes") {
  submit(2, "x");
  submit(2, "y");
  wait_for_starts(2);
  JobRequest request{"a"};
  request.takes_stdin = true;
  Job* const job = table->find(submit_stream(1, request));
  job->input().write("early");
  job->stop_output(StdStream::err);
  run_turns();
  CHECK(job->state() == JobState::waiting);
  puppet(0).leave(0);
  wait_for_starts(3);
  CHECK(run_until([&] { return puppet(2).read_input() == "early"; }));
  CHECK(::write(puppet(2).ends[1], "x", 1) == -1);
  CHECK(follower.starts == 1);
}

TEST_CASE_FIXTURE(StreamTable, "job table: what a request says is told the spawner, for that command alone") {
  submit_stream(1, {"", {"prog", "arg"}, {"A=1"}, true, "/", true, {}});
  submit(1, "plain");
  wait_for_starts(2);
  const SpawnSpec& asked = puppet(0).spec;
  CHECK(asked.argv == std::vector<std::string>{"prog", "arg"});
  CHECK(asked.environment == std::vector<std::string>{"A=1"});
  CHECK(asked.clear_environment);
  CHECK(asked.cwd == "/");
  CHECK(asked.takes_stdin);
  const SpawnSpec& plain = puppet(1).spec;
  CHECK(plain.command == "plain");
  CHECK(plain.argv.empty());
  CHECK(plain.environment.empty());
  CHECK_FALSE(plain.clear_environment);
  CHECK(plain.cwd == dir.path());
  CHECK_FALSE(plain.takes_stdin);
  CHECK(plain.shell == "/bin/sh");
}

TEST_CASE_FIXTURE(StreamTable,
                  "job table: marks are different, begin alike, and are those of their commands") {
  CHECK(table->next_mark().empty());
  make_with_mark("RUNWIRE_JOB=x-");
  std::vector<std::string> marks;
  for (int i = 0; i < 2; ++i) {
    JobRequest request{"a"};
    request.terms.mark = table->next_mark();
    marks.push_back(request.terms.mark);
    submit_stream(1, request);
  }
  submit(1, "without");
  wait_for_starts(2);
  puppet(0).leave(0);
  wait_for_starts(3);
  CHECK(marks[0].starts_with("RUNWIRE_JOB=x-"));
  CHECK(marks[1].starts_with("RUNWIRE_JOB=x-"));
  CHECK(marks[0] != marks[1]);
  CHECK(puppet(0).spec.mark == marks[0]);
  CHECK(puppet(1).spec.mark == marks[1]);
  CHECK(puppet(2).spec.mark.empty());
}

TEST_CASE_FIXTURE(StreamTable,
                  "job table: who is abandoned hears nothing more, of what runs or of what waits") {
  const JobId running = submit_stream(1, {"a"});
  submit_stream(1, {"b"});
  wait_for_starts(2);
  const JobId waits = submit_stream(1, {"c"});
  CHECK(follower.starts == 2);
  table->abandon(1);
  CHECK(table->find(waits) == nullptr);
  REQUIRE(table->find(running) != nullptr);
  puppet(0).write(0, "unheard");
  puppet(0).leave(0);
  puppet(1).leave(0);
  wait_for(2);
  wait_until_idle();
  CHECK(follower.out.empty());
  CHECK(commands() == "a b ");
  for (const JobResult& result : waiting.results) CHECK(result.header.reason == Reason::client_gone);
}

TEST_CASE_FIXTURE(StreamTable,
                  "job table: a command that was dropped from the queue can't be found any more") {
  submit(2, "x");
  submit(2, "y");
  wait_for_starts(2);
  const JobId id = submit_stream(1, {"a"});
  table->drop_queued(refusal_of(WindUp::shutdown));
  CHECK(table->find(id) == nullptr);
  CHECK(waiting.clients.back() == 1);
  CHECK(waiting.results.back().header.error->error == error_name::kShutdown);
  table->abandon(1);
  puppet(0).leave(0);
  puppet(1).leave(0);
  wait_until_idle();
  CHECK(commands() == "x y ");
}

TEST_CASE_FIXTURE(PuppetTable,
                  "job table: what a command costs does not grow with the others of its client") {
  const auto cost_of = [&](std::size_t commands) {
    make({1, commands, 1 << 20, 2});
    for (std::size_t i = 0; i < commands; ++i) submit(1, "x");
    const std::clock_t begin = std::clock();  // the processor's time: others are on the machine
    table->drop_queued(refusal_of(WindUp::shutdown));
    return std::clock() - begin;
  };
  const std::clock_t few = cost_of(500);
  CHECK(cost_of(8000) < 50 * few);  // 16 times, were it not for caches; 256 times where each looks at all
}

TEST_CASE_FIXTURE(StreamTable,
                  "job table: a directory that is relative is looked for in that of all commands") {
  JobRequest request{"a"};
  request.cwd = "share/x";
  submit_stream(1, request);
  submit(1, "b");
  wait_for_starts(2);
  CHECK(puppet(0).spec.cwd == dir.path() + "/share/x");
  CHECK(puppet(1).spec.cwd == dir.path());
}

TEST_CASE_FIXTURE(PuppetTable,
                  "job table: who is held back waits while others have their turn, and is let go in order") {
  make({1, 10, 1 << 20, 2});
  submit(1, "first");
  wait_for_starts(1);
  for (const ConnectionId client : {10, 1, 11, 10}) submit(client, "of" + std::to_string(client));
  table->hold_back(10);
  submit(11, "late");
  CHECK(table->queued() == 5);
  CHECK(table->running() == 1);
  puppet(0).leave(0);
  wait_for_starts(2);
  puppet(1).leave(0);
  wait_for(2);
  run_turns();
  CHECK(commands() == "first of1 ");
  CHECK_FALSE(table->is_idle());
  table->let_go();
  for (std::size_t started = 3; started <= 6; ++started) {
    wait_for_starts(started);
    puppet(started - 1).leave(0);
  }
  wait_until_idle();
  CHECK(commands() == "first of1 of10 of11 of10 late ");
}

TEST_CASE_FIXTURE(PuppetTable, "job table: who is held back can be cancelled, and abandoned") {
  make({1, 10, 1 << 20, 2});
  submit(1, "first");
  const JobId cancelled = table->submit(10, {"x"}).value();
  submit(11, "y");
  wait_for_starts(1);
  table->hold_back(10);
  table->cancel(cancelled);
  table->abandon(11);
  table->drop_queued(refusal_of(WindUp::shutdown));
  CHECK(table->queued() == 0);
  table->let_go();
  puppet(0).leave(0);
  wait_until_idle();
  CHECK(commands() == "first ");
  CHECK(waiting.clients == std::vector<ConnectionId>{10, 1});
}
