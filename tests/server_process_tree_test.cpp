#ifdef __linux__

#include <algorithm>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/descriptor.hpp"
#include "server/process_tree.hpp"
#include "tests/forked_child.hpp"
#include "tests/job_fixture.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

// Nobody else's, who runs these tests at the same time.
std::string mark_of(const std::string& token) {
  return std::string(kMarkName) + "=" + std::to_string(getpid()) + "." + token;
}

// A command that runs, and the tree by which it is to be ended.
class Command final : private ChildEvents {
 public:
  Command(Spawner& spawner, SpawnSpec spec, const std::string& token) : mark_(mark_of(token)) {
    spec.mark = mark_;
    child_ = spawner.spawn(spec, *this);
  }
  bool is_over() const { return is_over_; }

  ProcessTree tree;

 private:
  void child_started(pid_t pid, ChildStreams streams) override {
    tree = ProcessTree(ProcessGroup(pid), mark_);
    out_ = Descriptor(streams.out);
    err_ = Descriptor(streams.err);
  }
  void child_failed(const SpawnFailure&) override { FAIL("it was not started"); }
  void child_exited(const ChildEnd&) override {
    tree.leader_was_reaped();
    is_over_ = true;
  }

  const std::string mark_;
  Descriptor out_, err_;
  bool is_over_ = false;
  std::unique_ptr<Child> child_;
};

// In its own group or in that one, which both sides see to; with that number, or with any where that can't be had.
struct GroupChild : ForkedChild {
  explicit GroupChild(pid_t group = 0, pid_t number = 0)
      : ForkedChild(
            [group] {
              setpgid(0, group);
              return live();
            },
            number) {
    REQUIRE(setpgid(pid(), group) == 0);
  }
};

// Every test ends what it started; its end checks that no child is left, and orphans come to us.
class TreeFixture : public StoreFixture {
 public:
  ~TreeFixture() {
    for (const auto& command : commands) end(*command);
    commands.clear();
    CHECK(run_until([] { return !has_child(); }));
  }

  Command& start(const std::string& line, const std::string& token = "one") {
    commands.push_back(std::make_unique<Command>(*spawner, spec(line), token));
    return *commands.back();
  }
  // A line that leaves that behind: in a session of its own, and without a parent.
  std::string daemonized(const std::string& line) const { return "(setsid sh -c '" + line + "' &); "; }
  // It comes when it has done its last exec: in the middle of one a process shows no mark.
  std::string sleeper(const Lifeline& line) const { return line.hold() + never_.wait(); }

  bool comes(Lifeline& line) {
    return run_until([&] { return line.has_come(); });
  }
  bool goes(Lifeline& line) {
    return run_until([&] { return line.is_gone(); });
  }
  void end(Command& command) {
    CHECK(run_until(
        [&] { return command.tree.count(table) == 0 || command.tree.signal(SIGKILL, table) == 0; }));
    CHECK(run_until([&] { return command.is_over(); }));
  }

  std::unique_ptr<Spawner> spawner = make_best_spawner(loop());
  ProcessTable table;
  std::vector<std::unique_ptr<Command>> commands;

 private:
  const Gate never_{dir, "never"};
};

}  // namespace

TEST_CASE_FIXTURE(TreeFixture, "process tree: the leader, its children and theirs are members, and end") {
  Lifeline child(dir, "child"), grandchild(dir, "grandchild");
  Command& command = start("(" + sleeper(child) + ") & (sh -c '" + sleeper(grandchild) + "'; true) & wait");
  REQUIRE((comes(child) && comes(grandchild)));
  const auto members = command.tree.members(table);
  CHECK(members.size() == 4);
  CHECK(std::count(members.begin(), members.end(), command.tree.group().leader()) == 1);
  CHECK(command.tree.count(table) == 4);
  CHECK(command.tree.signal(SIGTERM, table) == 4);
  CHECK((goes(child) && goes(grandchild)));
  CHECK(run_until([&] { return command.tree.count(table) == 0; }));
}

TEST_CASE_FIXTURE(TreeFixture, "process tree: a child that called setsid() is found and killed") {
  Lifeline escaped(dir);
  Command& command = start("setsid sh -c '" + sleeper(escaped) + "' & wait");
  REQUIRE(comes(escaped));
  command.tree.group().signal(SIGKILL);
  REQUIRE(run_until([&] { return command.is_over(); }));
  CHECK_FALSE(escaped.is_gone());  // the group is not all of it
  CHECK(command.tree.count(table) == 1);
  CHECK(command.tree.signal(SIGKILL, table) == 1);
  CHECK(goes(escaped));
  CHECK(run_until([&] { return command.tree.count(table) == 0; }));
}

TEST_CASE_FIXTURE(TreeFixture,
                  "process tree: a daemon that forked twice is found and killed, with what it started") {
  Lifeline daemon(dir, "daemon"), child(dir, "child");
  Command& command = start(daemonized("(" + sleeper(child) + ") & " + daemon.hold() + "wait"));
  REQUIRE((comes(daemon) && comes(child)));
  REQUIRE(run_until([&] { return command.is_over(); }));
  CHECK(command.tree.members(table).size() == 2);
  CHECK(command.tree.signal(SIGKILL, table) == 2);
  CHECK((goes(daemon) && goes(child)));
}

TEST_CASE_FIXTURE(TreeFixture,
                  "process tree: who has cleared its environment is found while its parent or group tells") {
  Lifeline in_group(dir, "in_group"), descendant(dir, "descendant");
  Command& command = start("env -i sh -c '" + sleeper(in_group) + "' & " +
                           daemonized("env -i setsid sh -c \"" + sleeper(descendant) + "\" & wait") + "wait");
  REQUIRE((comes(in_group) && comes(descendant)));
  CHECK(command.tree.signal(SIGKILL, table) == 4);
  CHECK((goes(in_group) && goes(descendant)));
}

TEST_CASE_FIXTURE(TreeFixture,
                  "process tree: who has cleared its environment and left parent and session is not found") {
  Lifeline lost(dir);
  const std::string pid_file = dir.path("pid");
  Command& command =
      start(daemonized("exec env -i sh -c \"echo \\$\\$ >" + pid_file + "; " + sleeper(lost) + "\""));
  REQUIRE((comes(lost) && run_until([&] { return command.is_over(); })));
  CHECK(command.tree.members(table).empty());
  CHECK(command.tree.signal(SIGKILL, table) == 0);
  pid_t pid = 0;
  std::ifstream(pid_file) >> pid;
  REQUIRE(pid > 1);
  CHECK_FALSE(lost.is_gone());
  kill(pid, SIGKILL);
  CHECK(goes(lost));
}

TEST_CASE_FIXTURE(TreeFixture,
                  "process tree: who was seen with the mark stays a member, whatever it executes then") {
  Lifeline before(dir, "before"), after(dir, "after");
  const Gate gate(dir);
  Command& command = start(daemonized("(" + before.hold() + gate.wait() + "exec 9>&-; exec env -i sh -c \"" +
                                      sleeper(after) + "\") & exit"));
  REQUIRE((comes(before) && run_until([&] { return command.is_over(); })));
  REQUIRE(run_until([&] { return command.tree.count(table) == 1; }));
  gate.open_it();
  REQUIRE(comes(after));
  table.look(uv_hrtime());
  CHECK(command.tree.signal(SIGKILL, table) == 1);
  CHECK(goes(after));
}

TEST_CASE_FIXTURE(TreeFixture, "process tree: who is in the middle of an exec is not taken for gone") {
  Lifeline restless(dir);
  const std::string script = dir.path("again");
  std::ofstream(script) << "exec sh " << script << "\n";
  Command& command = start(daemonized(restless.hold() + "exec sh " + script));
  REQUIRE((comes(restless) && run_until([&] { return command.is_over(); })));
  constexpr int kLooks = 300;
  int seen = 0;
  for (int look = 0; look < kLooks; ++look) {
    ProcessTable fresh;  // who was seen with the mark before would be known
    if (command.tree.count(fresh) > 0) ++seen;
  }
  CHECK(seen == kLooks);
}

TEST_CASE_FIXTURE(TreeFixture,
                  "process tree: strangers of the same user are never signalled, whatever they resemble") {
  Lifeline escaped(dir);
  Command& command = start(daemonized(sleeper(escaped)) + "exec sleep 1000");
  REQUIRE(comes(escaped));
  const std::string mark = mark_of("one");
  std::vector<std::unique_ptr<Lifeline>> lines;
  std::vector<std::unique_ptr<ForkedChild>> strangers;
  for (const std::string& word : {std::string("A=1"), mark + "x", "X" + mark, "A=" + mark, "A=\n" + mark}) {
    lines.push_back(std::make_unique<Lifeline>(dir, "stranger" + std::to_string(lines.size())));
    const std::string line = sleeper(*lines.back());
    strangers.push_back(std::make_unique<ForkedChild>([&] {
      setsid();
      return execl("/usr/bin/env", "env", word.c_str(), "sh", "-c", line.c_str(), nullptr);
    }));
    REQUIRE(comes(*lines.back()));
  }
  CHECK(command.tree.signal(SIGKILL, table) == 2);
  CHECK(goes(escaped));
  for (const auto& stranger : strangers) CHECK(stranger->is_alive());
  CHECK(run_until([&] { return command.is_over(); }));
  CHECK(command.tree.signal(SIGKILL, table) == 0);
  for (const auto& stranger : strangers) CHECK(stranger->is_alive());
  strangers.clear();  // before the spawner reaps them
}

TEST_CASE("process tree: once the leader was reaped, a stranger that has its number is no member") {
  ForkedChild stranger([] {
    setsid();
    return live();
  });
  ProcessTable table;
  ProcessTree tree(ProcessGroup(stranger.pid()), mark_of("one"));
  CHECK(tree.members(table) == std::vector<pid_t>{stranger.pid()});
  tree.leader_was_reaped();
  table.look(uv_hrtime());  // an older look would still show the leader
  CHECK(tree.members(table).empty());
  CHECK(tree.signal(SIGKILL, table) == 0);
  CHECK(tree.count(table) == 0);
  CHECK(stranger.is_alive());
}

TEST_CASE("process tree: once the group was over, strangers in a group that has its number are no members") {
  ForkedChild stranger([] {
    setpgid(0, 0);
    return live();
  });
  setpgid(stranger.pid(), stranger.pid());
  ForkedChild left([&] {
    setpgid(0, stranger.pid());
    return live();
  });
  setpgid(left.pid(), stranger.pid());
  ProcessTree tree(ProcessGroup(stranger.pid()), mark_of("one"));
  tree.leader_was_reaped();
  kill(stranger.pid(), SIGKILL);
  stranger.wait();
  ProcessTable table;
  table.look(uv_hrtime());
  CHECK(tree.members(table).empty());
  CHECK(tree.signal(SIGKILL, table) == 0);
  CHECK(tree.count(table) == 0);
  CHECK(left.is_alive());
}

TEST_CASE("process tree: once a stranger was seen with the number, what that leaves in its group is let be") {
  GroupChild leader, member(leader.pid());
  const pid_t number = leader.pid();
  ProcessTree tree{ProcessGroup(number)};
  kill(number, SIGKILL);
  leader.wait();
  tree.leader_was_reaped();
  kill(member.pid(), SIGKILL);
  member.wait();
  GroupChild stranger(0, number);
  if (stranger.pid() != number) {
    MESSAGE("this system gives no process number that is asked for");
    return;
  }
  GroupChild left(number);
  ProcessTable table;
  table.look(uv_hrtime());
  CHECK(tree.count(table) == 0);
  kill(number, SIGKILL);
  stranger.wait();
  CHECK(tree.group().over_since() > 0);
  CHECK(tree.signal(SIGKILL, table) == 0);
  GroupChild witness(number);  // a signal to the group would be delivered by now
  CHECK(left.is_alive());
}

TEST_CASE_FIXTURE(TreeFixture, "process tree: members of two commands are kept apart") {
  Lifeline first(dir, "first"), second(dir, "second");
  Command& one = start(daemonized(sleeper(first)) + "exec sleep 1000", "one");
  Command& two = start(daemonized(sleeper(second)) + "exec sleep 1000", "two");
  REQUIRE((comes(first) && comes(second)));
  CHECK(one.tree.count(table) == 2);
  CHECK(two.tree.count(table) == 2);
  CHECK(one.tree.signal(SIGKILL, table) == 2);
  CHECK(goes(first));
  CHECK(run_until([&] { return one.tree.count(table) == 0; }));
  CHECK(two.tree.count(table) == 2);
  CHECK_FALSE(second.is_gone());
}

TEST_CASE_FIXTURE(TreeFixture, "process tree: survivors are counted, the dead are not") {
  Lifeline deaf(dir, "deaf"), obedient(dir, "obedient");
  const std::string ignoring = "trap \"\" TERM; " + sleeper(deaf);
  Command& command = start(daemonized(ignoring) + daemonized(sleeper(obedient)) + "exec sleep 1000");
  REQUIRE((comes(deaf) && comes(obedient)));
  CHECK(command.tree.signal(SIGTERM, table) == 3);
  CHECK((goes(obedient) && run_until([&] { return command.is_over(); })));
  CHECK(command.tree.count(table) == 1);
  CHECK(command.tree.signal(SIGKILL, table) == 1);
  CHECK(goes(deaf));
  CHECK(command.tree.count(table) == 0);
}

TEST_CASE("process tree: a leader that is dead and not yet reaped is no survivor") {
  ForkedChild leader([] {
    setsid();
    return live();
  });
  ProcessTable table;
  ProcessTree tree{ProcessGroup(leader.pid())};
  CHECK(tree.count(table) == 1);
  CHECK(tree.signal(SIGKILL, table) == 1);
  siginfo_t ended{};
  REQUIRE(waitid(P_PID, static_cast<id_t>(leader.pid()), &ended, WEXITED | WNOWAIT) == 0);
  CHECK(tree.count(table) == 0);
  CHECK(tree.signal(SIGKILL, table) == 0);
}

TEST_CASE_FIXTURE(TreeFixture, "process tree: each member gets a signal once, in the group or out of it") {
  // A signal with a number so high is counted by the kernel, not merged.
  Gate held(dir);
  Lifeline first(dir, "first"), second(dir, "second");
  const auto counter = [&](const std::string& file, const Lifeline& line) {
    return "trap \"echo got >>" + dir.path(file) + "\" 34; exec 8<" + dir.path("gate") + "; " + line.hold() +
           "while :; do read x <&8; done";
  };
  Command& command = start(daemonized(counter("out", first)) + counter("in", second));
  REQUIRE((comes(first) && comes(second)));
  CHECK(command.tree.signal(34, table) == 2);
  const auto lines = [&](const std::string& file) {
    std::ifstream text(dir.path(file));
    return std::count(std::istreambuf_iterator<char>(text), {}, '\n');
  };
  CHECK(run_until([&] { return lines("in") > 0 && lines("out") > 0; }));
  CHECK(command.tree.signal(SIGTERM, table) == 2);
  CHECK((goes(first) && goes(second)));
  CHECK(lines("in") == 1);
  CHECK(lines("out") == 1);
}

TEST_CASE_FIXTURE(TreeFixture, "process tree: a fork storm ends where it is killed until nothing is left") {
  Lifeline storm(dir);
  Command& command =
      start(storm.hold() + "setsid sh -c 'while :; do setsid sleep 1000 & sleep 0.01; done' & wait");
  REQUIRE((comes(storm) && run_until([&] { return command.tree.count(table) > 10; })));
  CHECK(run_until([&] { return command.tree.signal(SIGKILL, table) == 0; }));
  CHECK(command.tree.count(table) == 0);
  CHECK(goes(storm));
}

TEST_CASE_FIXTURE(TreeFixture, "process tree: without a leader there is nobody, and not everybody") {
  CHECK(ProcessTree().members(table).empty());
  CHECK(ProcessTree().signal(SIGKILL, table) == 0);
  CHECK(ProcessTree(ProcessGroup(), mark_of("nobody")).count(table) == 0);
}

TEST_CASE_FIXTURE(TreeFixture, "process tree: many that end at the same time share a few looks") {
  constexpr int kTrees = 30;
  std::vector<std::unique_ptr<Lifeline>> lines;
  for (int i = 0; i < kTrees; ++i) {
    lines.push_back(std::make_unique<Lifeline>(dir, "line" + std::to_string(i)));
    start(daemonized(sleeper(*lines.back())) + "exec sleep 1000", std::to_string(i));
  }
  for (const auto& line : lines) REQUIRE(comes(*line));
  table.look(uv_hrtime());
  const std::uint64_t before = table.looks();
  for (const auto& command : commands) CHECK(command->tree.signal(SIGKILL, table) == 2);
  for (const auto& line : lines) CHECK(goes(*line));
  CHECK(run_until([&] {
    return std::all_of(commands.begin(), commands.end(),
                       [](const auto& command) { return command->is_over(); });
  }));
  for (const auto& command : commands) CHECK(command->tree.count(table) == 0);
  CHECK(table.looks() - before < kTrees / 2);
}

TEST_CASE(
    "process table: those that ask at about the same time share one look, who needs a newer one gets it") {
  ProcessTable table;
  for (int i = 0; i < 1000; ++i) table.look(0);
  CHECK(table.looks() < 500);
  const std::uint64_t now = uv_hrtime();
  table.look(now);
  CHECK(table.seen_at() >= now);
}

TEST_CASE("process table: a process, its children and its mark are as the system has them") {
  ForkedChild child(live);
  ProcessTable table;
  table.look(0);
  REQUIRE(table.is_known());
  const Process* found = table.find(child.pid());
  REQUIRE(found != nullptr);
  CHECK(found->parent == getpid());
  CHECK(found->group == getpgrp());
  CHECK(found->session == getsid(0));
  CHECK(ProcessTable::still_lives(*found));
  const auto children = table.children_of(getpid());
  CHECK(children.size() == 1);
  CHECK(table.all()[children.front()].pid == child.pid());
  CHECK(table.find(0) == nullptr);
  const Process before = *found;
  kill(child.pid(), SIGKILL);
  child.wait();
  CHECK_FALSE(ProcessTable::still_lives(before));
}

TEST_CASE("process table: another process that has the number of one that was seen is not that one") {
  ForkedChild child(live);
  ProcessTable table;
  table.look(0);
  REQUIRE(table.find(child.pid()) != nullptr);
  Process earlier = *table.find(child.pid());
  REQUIRE(ProcessTable::still_lives(earlier));
  --earlier.started;
  CHECK_FALSE(ProcessTable::still_lives(earlier));
}

#endif
