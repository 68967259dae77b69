// What a child sets for itself, between its birth and its exec: limits, niceness, umask, terminal.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstddef>

#include "proto/client_message.hpp"

namespace runwire {

inline constexpr std::size_t kResources = 6;

struct ResourceLimit {
  const char* stage;  // "limit:nofile", ...: what a failure to set it is called; lives for ever
  int resource;       // RLIMIT_NOFILE, ...
  rlimit value;
};

// Plain values, so that a child in borrowed memory can read them (see server/birth.hpp). They are set in this order,
// the limits last: they may leave no room for anything else.
struct ChildSettings {
  bool has_umask = false;
  mode_t umask = 0;
  bool has_nice = false;
  int nice = 0;                 // not added to the daemon's, but in its place
  bool takes_terminal = false;  // descriptor 0 becomes the session's controlling terminal
  std::size_t limits = 0;       // so many of
  ResourceLimit limit[kResources] = {};

  bool is_any() const { return has_umask || has_nice || takes_terminal || limits > 0; }
};

inline constexpr const char* kUmaskStage = "umask";
inline constexpr const char* kNiceStage = "nice";
inline constexpr const char* kTerminalStage = "terminal";

// `wish` as the command's client has it, and `caps` as the operator has them. A wish is clamped to its cap, and bounds
// the hard limit as well as the soft one; that of cpu comes a second later, so that the command is told first
// (SIGXCPU). A cap alone lowers what the daemon has and raises nothing.
ChildSettings settings_for(const CommandLimits& wish, const CommandLimits& caps);

// The resource by a stage's name; null: there is none.
const ResourceLimit* resource_of(const char* stage);

}  // namespace runwire
