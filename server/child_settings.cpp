#include "server/child_settings.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>

#include "server/inheritance.hpp"

namespace runwire {
namespace {

struct Known {
  ResourceLimit limit;
  std::optional<std::uint64_t> CommandLimits::*value;
};
constexpr Known kKnown[kResources] = {
    {{"limit:cpu", RLIMIT_CPU, {}}, &CommandLimits::cpu_s},
    {{"limit:nofile", RLIMIT_NOFILE, {}}, &CommandLimits::nofile},
    {{"limit:nproc", RLIMIT_NPROC, {}}, &CommandLimits::nproc},
    {{"limit:fsize", RLIMIT_FSIZE, {}}, &CommandLimits::fsize_bytes},
    {{"limit:core", RLIMIT_CORE, {}}, &CommandLimits::core_bytes},
    {{"limit:as", RLIMIT_AS, {}}, &CommandLimits::as_bytes},  // last: there may be no room for more
};

rlimit inherited_limit(int resource) {
  if (resource == RLIMIT_NOFILE) return inherited_descriptor_limit();
  rlimit now{};
  getrlimit(static_cast<decltype(RLIMIT_CPU)>(resource), &now);
  return now;
}

rlimit limit_for(int resource, std::optional<std::uint64_t> wish, std::optional<std::uint64_t> cap) {
  const rlimit now = inherited_limit(resource);
  const rlim_t most = cap ? static_cast<rlim_t>(*cap) : RLIM_INFINITY;
  if (!wish) return {std::min(now.rlim_cur, most), std::min(now.rlim_max, most)};
  const rlim_t value = std::min(static_cast<rlim_t>(*wish), most);
  const bool has_a_second = resource == RLIMIT_CPU && value < std::min(now.rlim_max, most);
  return {value, has_a_second ? value + 1 : value};
}

}  // namespace

ChildSettings settings_for(const CommandLimits& wish, const CommandLimits& caps) {
  ChildSettings settings;
  settings.has_umask = wish.umask.has_value();
  settings.umask = static_cast<mode_t>(wish.umask.value_or(0));
  settings.has_nice = wish.nice.has_value();
  settings.nice = static_cast<int>(wish.nice.value_or(0));
  for (const Known& known : kKnown) {
    const auto wanted = wish.*known.value, cap = caps.*known.value;
    if (!wanted && !cap) continue;
    ResourceLimit& limit = settings.limit[settings.limits++];
    limit = known.limit;
    limit.value = limit_for(limit.resource, wanted, cap);
  }
  return settings;
}

const ResourceLimit* resource_of(const char* stage) {
  const auto* found = std::find_if(std::begin(kKnown), std::end(kKnown), [stage](const Known& known) {
    return std::strcmp(known.limit.stage, stage) == 0;
  });
  return found == std::end(kKnown) ? nullptr : &found->limit;
}

}  // namespace runwire
