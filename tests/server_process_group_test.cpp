#include "server/process_group.hpp"
#include "tests/forked_child.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

// A leader of a group of its own; both sides set it, so that it is certain for both.
struct Leader : ForkedChild {
  Leader()
      : ForkedChild([] {
          setpgid(0, 0);
          return live();
        }) {
    setpgid(pid(), pid());
  }
};

// A member of the leader's group that outlives it.
struct Member : ForkedChild {
  explicit Member(pid_t group)
      : ForkedChild([group] {
          setpgid(0, group);
          return live();
        }) {
    REQUIRE(setpgid(pid(), group) == 0);
  }
};

}  // namespace

TEST_CASE("process group: a signal reaches the leader and every member") {
  Leader leader;
  Member member(leader.pid());
  const ProcessGroup group(leader.pid());
  CHECK_FALSE(group.is_empty());
  group.signal(SIGTERM);
  CHECK(leader.wait() == -SIGTERM);
  CHECK(member.wait() == -SIGTERM);
}

TEST_CASE("process group: members are still reached when the leader was reaped") {
  Leader leader;
  Member member(leader.pid());
  ProcessGroup group(leader.pid());
  kill(leader.pid(), SIGKILL);
  leader.wait();
  group.leader_was_reaped();
  CHECK_FALSE(group.is_empty());
  group.signal(SIGTERM);
  CHECK(member.wait() == -SIGTERM);
  CHECK(group.is_empty());
}

TEST_CASE("process group: once the leader was reaped, a stranger that has its number is never signalled") {
  Leader stranger;  // its number is the one that the group remembers
  ProcessGroup group(stranger.pid());
  group.leader_was_reaped();
  group.signal(SIGKILL);
  CHECK(group.is_empty());
  Member witness(stranger.pid());  // a signal to the group would be delivered by now
  CHECK(stranger.is_alive());
}

TEST_CASE("process group: once it was over, nor is a group of strangers that has its number") {
  Leader stranger;
  const pid_t number = stranger.pid();
  Member member(number);
  ProcessGroup group(number);
  group.leader_was_reaped();  // somebody has the number already: nothing of ours was left
  kill(number, SIGKILL);
  stranger.wait();
  CHECK(group.is_empty());
  CHECK(group.over_since() > 0);
  group.signal(SIGKILL);
  ProcessGroup::gone(number).signal(SIGKILL);
  Member witness(number);  // a signal to the group would be delivered by now
  CHECK(member.is_alive());
}

TEST_CASE("process group: it is not over as long as it has a member") {
  Leader leader;
  Member member(leader.pid());
  ProcessGroup group(leader.pid());
  CHECK(group.over_since() == 0);
  kill(leader.pid(), SIGKILL);
  leader.wait();
  group.leader_was_reaped();
  CHECK(group.over_since() == 0);
  kill(member.pid(), SIGKILL);
  member.wait();
  const auto over_since = group.over_since();
  CHECK(over_since > 0);
  CHECK(group.over_since() == over_since);
}

TEST_CASE("process group: a leader that is dead but not reaped keeps the group's number") {
  Leader leader;
  const ProcessGroup group(leader.pid());
  kill(leader.pid(), SIGKILL);
  siginfo_t ended{};
  REQUIRE(waitid(P_PID, static_cast<id_t>(leader.pid()), &ended, WEXITED | WNOWAIT) == 0);
  CHECK_FALSE(group.is_empty());
}

TEST_CASE("process group: without a leader there is nobody to signal, and not everybody") {
  const ProcessGroup none;
  CHECK(none.is_empty());
  none.signal(SIGKILL);  // kill(-0) would end this program
}
