#include "bench/exercise.hpp"

#include <array>
#include <utility>

namespace runwire {
namespace {

constexpr std::array<std::pair<Scenario, std::string_view>, 7> kNames{{
    {Scenario::plain, "plain"},
    {Scenario::spawn, "spawn"},
    {Scenario::stream, "stream"},
    {Scenario::feed, "stdin"},
    {Scenario::echo, "echo"},
    {Scenario::many_idle, "many-idle"},
    {Scenario::mux, "mux"},
}};

}  // namespace

std::string_view name_of(Scenario scenario) {
  for (const auto& [known, name] : kNames)
    if (known == scenario) return name;
  return {};
}

std::optional<Scenario> scenario_named(std::string_view name) {
  for (const auto& [known, its_name] : kNames)
    if (its_name == name) return known;
  return std::nullopt;
}

std::string own_command(Scenario scenario, std::uint64_t bytes) {
  if (scenario == Scenario::echo) return "cat";
  if (scenario == Scenario::feed) return bytes == kEndless ? "cat >/dev/null" : "wc -c";
  return bytes == kEndless ? "cat /dev/zero" : "head -c " + std::to_string(bytes) + " /dev/zero";
}

bool takes_a_command(Scenario scenario) {
  return scenario != Scenario::stream && scenario != Scenario::feed && scenario != Scenario::echo;
}

}  // namespace runwire
