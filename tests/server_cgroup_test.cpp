#ifdef __linux__

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/cgroup.hpp"
#include "server/process_tree.hpp"
#include "tests/forked_child.hpp"
#include "tests/job_fixture.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

// Where they are not to be had here, these tests are skipped and listed as such.
bool none_here() {
  static const bool none = CgroupTree::make() == nullptr;
  return none;
}

struct GroupFixture {
  std::unique_ptr<CgroupTree> tree = CgroupTree::make();
  std::unique_ptr<Cgroup> group = tree->make_group("1");
};

}  // namespace

TEST_CASE("cgroup: it has who went in, and what that starts" * doctest::skip(none_here())) {
  GroupFixture of;
  int ends[2], back[2];
  char come = 0;
  REQUIRE((pipe(ends) == 0 && pipe(back) == 0));
  CHECK(of.group->members().empty());
  ForkedChild child([&] {
    char go = 0;
    if (write(of.group->door(), "0", 1) != 1 || write(back[1], "x", 1) != 1) return 1;
    if (read(ends[0], &go, 1) != 1 || fork() < 0) return 1;
    setsid();
    return live();
  });
  REQUIRE(read(back[0], &come, 1) == 1);
  CHECK(of.group->members() == std::vector<pid_t>{child.pid()});
  REQUIRE(write(ends[1], "x", 1) == 1);
  while (of.group->members().size() < 2) std::this_thread::yield();
  CHECK(of.group->kill() == 2);
  CHECK(child.wait() == -SIGKILL);
  while (!of.group->members().empty()) std::this_thread::yield();
  CHECK(of.group->kill() == 0);
  for (const int end : {ends[0], ends[1], back[0], back[1]}) close(end);
}

TEST_CASE("cgroup: it is gone with its owner, as is the daemon's" * doctest::skip(none_here())) {
  GroupFixture of;
  const std::string path = of.tree->path();
  CHECK(std::filesystem::is_directory(path + "/1"));
  of.group.reset();
  CHECK_FALSE(std::filesystem::exists(path + "/1"));
  of.tree.reset();
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("cgroup: a name that is taken is not to be had" * doctest::skip(none_here())) {
  const GroupFixture of;
  CHECK(of.tree->make_group("1") == nullptr);
}

TEST_CASE("cgroup: what was left from before an exec is taken over, and goes with us" *
          doctest::skip(none_here())) {
  std::string path;
  {
    const auto before = CgroupTree::make();
    path = before->path();
    REQUIRE(mkdir((path + "/left").c_str(), 0755) == 0);
    const auto after = CgroupTree::make();
    REQUIRE(after != nullptr);
    CHECK(after->open_group("left") != nullptr);
    CHECK(after->open_group("nobody") == nullptr);
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("cgroup: what one that is no more has left is removed" * doctest::skip(none_here())) {
  ForkedChild crashed(
      [] { return CgroupTree::make().release()->make_group("1").release() == nullptr ? 1 : 0; });
  const std::string name = "runwired." + std::to_string(crashed.pid());
  CHECK(crashed.wait() == 0);
  const auto tree = CgroupTree::make();
  const auto left = std::filesystem::path(tree->path()).replace_filename(name);
  CHECK_FALSE(std::filesystem::exists(left));
}

// What the walk alone does not find: see "is not found" in server_process_tree_test.cpp.
TEST_CASE_FIXTURE(JobFixture,
                  "cgroup: who has cleared its environment and left parent and session is killed" *
                      doctest::skip(none_here())) {
  const auto tree = CgroupTree::make();
  cgroups = tree.get();
  Lifeline lost(dir);
  JobTerms terms;
  terms.form = ReplyForm::stream;
  terms.wants_cgroup = true;
  terms.mark = "RUNWIRE_JOB=unit-cgroup-" + std::to_string(uv_hrtime());
  SpawnSpec how = spec("(setsid env -i sh -c '" + lost.hold() + "exec sleep 1000' &); exec sleep 1000");
  how.mark = terms.mark;
  make(terms, &follower);
  how.cgroup = job->make_cgroup();
  REQUIRE(how.cgroup >= 0);
  job->start(*spawner, how);
  REQUIRE(run_until([&] { return lost.has_come(); }));
  job->kill_now(Reason::cancelled);
  finish();
  CHECK(result->survivors == 0);
  CHECK(run_until([&] { return lost.is_gone(); }));
  wait_until_over();
  job.reset();
  CHECK(std::filesystem::is_directory(tree->path()));
  CHECK_FALSE(std::filesystem::exists(tree->path() + "/1"));
}

#endif
