// The environment of a command: what the daemon has, and what the command's SpawnSpec makes of it.
#pragma once

#include <string>
#include <vector>

#include "server/spawn.hpp"

namespace runwire {

// What an environment points to; it may be used again for the next one.
struct EnvironmentRoom {
  std::vector<std::string> words;
  std::vector<char*> pointers;
};

// `base` itself where the spec asks for nothing; else what lies in `room`, and points to the strings of `base` where
// they are not changed. Both end with null. Of words by the same name the last counts.
char* const* environment_of(const SpawnSpec& spec, char* const* base, EnvironmentRoom& room);

}  // namespace runwire
