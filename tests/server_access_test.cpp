#include <doctest/doctest.h>

#include "server/access.hpp"

using namespace runwire;

namespace {

constexpr uid_t kDaemon = 1000;

Verdict judge(std::optional<uid_t> peer) { return judge_peer(PlainPolicy::own_user, peer, kDaemon); }

}  // namespace

TEST_CASE("access: the daemon's own user and root may run commands") {
  CHECK(judge(kDaemon) == Verdict::allowed);
  CHECK(judge(0) == Verdict::allowed);
}

TEST_CASE("access: another user may not, and is told whose daemon it is") {
  CHECK(judge(1001) == Verdict::other_user);
  CHECK(judge(65534) == Verdict::other_user);
  CHECK(explain(Verdict::other_user).find("start a runwired of your own") != std::string_view::npos);
}

TEST_CASE("access: a daemon of root's lets only root in") {
  CHECK(judge_peer(PlainPolicy::own_user, uid_t{0}, 0) == Verdict::allowed);
  CHECK(judge_peer(PlainPolicy::own_user, uid_t{1000}, 0) == Verdict::other_user);
}

TEST_CASE("access: a peer whose owner cannot be learnt is refused, and told what to do") {
  CHECK(judge(std::nullopt) == Verdict::owner_unknown);
  CHECK(explain(Verdict::owner_unknown).find("--plain any-local") != std::string_view::npos);
}

TEST_CASE("access: any-local lets everybody in who can connect") {
  for (const std::optional<uid_t> peer : {std::optional<uid_t>(), std::optional<uid_t>(1001)})
    CHECK(judge_peer(PlainPolicy::any_local, peer, kDaemon) == Verdict::allowed);
}

TEST_CASE("access: every verdict has a name for the log") {
  CHECK(name_of(Verdict::allowed) == "allowed");
  CHECK(name_of(Verdict::other_user) == "other-user");
  CHECK(name_of(Verdict::owner_unknown) == "owner-unknown");
}
