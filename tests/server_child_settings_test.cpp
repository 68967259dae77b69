#include <doctest/doctest.h>

#include <algorithm>
#include <string_view>

#include "server/child_settings.hpp"

using namespace runwire;

namespace {

rlimit now(int resource) {
  rlimit limit{};
  getrlimit(static_cast<decltype(RLIMIT_CPU)>(resource), &limit);
  return limit;
}

// What is set of one resource. REQUIRES: it is set.
rlimit set_limit(const ChildSettings& settings, std::string_view stage) {
  const ResourceLimit* end = settings.limit + settings.limits;
  const ResourceLimit* found =
      std::find_if(settings.limit, end, [stage](const ResourceLimit& limit) { return limit.stage == stage; });
  REQUIRE(found != end);
  return found->value;
}

CommandLimits nofile(std::uint64_t number) {
  CommandLimits limits;
  limits.nofile = number;
  return limits;
}

}  // namespace

TEST_CASE("child settings: nothing is set where nobody asks for anything") {
  CHECK(!settings_for({}, {}).is_any());
}

TEST_CASE("child settings: a wish is the soft and the hard limit") {
  const ChildSettings settings = settings_for(nofile(17), {});
  CHECK(settings.limits == 1);
  CHECK(set_limit(settings, "limit:nofile").rlim_cur == 17);
  CHECK(set_limit(settings, "limit:nofile").rlim_max == 17);
}

TEST_CASE("child settings: a wish above its cap is the cap") {
  CHECK(set_limit(settings_for(nofile(17), nofile(12)), "limit:nofile").rlim_max == 12);
  CHECK(set_limit(settings_for(nofile(10), nofile(12)), "limit:nofile").rlim_max == 10);
}

TEST_CASE("child settings: a cap without a wish lowers what there is and raises nothing") {
  const rlimit before = now(RLIMIT_NOFILE);
  const rlimit low = set_limit(settings_for({}, nofile(12)), "limit:nofile");
  CHECK(low.rlim_cur == 12);
  CHECK(low.rlim_max == 12);
  const rlimit high = set_limit(settings_for({}, nofile(std::uint64_t{1} << 50)), "limit:nofile");
  CHECK(high.rlim_cur == before.rlim_cur);
  CHECK(high.rlim_max == std::min<rlim_t>(before.rlim_max, rlim_t{1} << 50));
}

TEST_CASE("child settings: the hard limit of cpu comes a second later, but not beyond a cap") {
  CommandLimits wish, cap;
  wish.cpu_s = 5;
  CHECK(set_limit(settings_for(wish, cap), "limit:cpu").rlim_cur == 5);
  CHECK(set_limit(settings_for(wish, cap), "limit:cpu").rlim_max == 6);
  cap.cpu_s = 5;
  CHECK(set_limit(settings_for(wish, cap), "limit:cpu").rlim_max == 5);
}

TEST_CASE("child settings: the address space is limited last, and one cap does not touch the other wishes") {
  CommandLimits wish = nofile(9), cap;
  wish.as_bytes = 1 << 30;
  wish.core_bytes = 0;
  wish.nice = -3;
  wish.umask = 027;
  cap.fsize_bytes = 100;
  const ChildSettings settings = settings_for(wish, cap);
  CHECK(settings.limits == 4);
  CHECK(std::string_view(settings.limit[3].stage) == "limit:as");
  CHECK(set_limit(settings, "limit:nofile").rlim_cur == 9);
  CHECK(set_limit(settings, "limit:core").rlim_cur == 0);
  CHECK(set_limit(settings, "limit:fsize").rlim_cur == 100);
  CHECK(settings.has_nice);
  CHECK(settings.nice == -3);
  CHECK(settings.has_umask);
  CHECK(settings.umask == 027);
}
