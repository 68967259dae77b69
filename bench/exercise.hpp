// What the commands of a load do, and in which protocol they are asked for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proto/session_message.hpp"

namespace runwire {

// What the user picks.
enum class Scenario { plain, spawn, stream, feed, echo, many_idle, mux };
std::string_view name_of(Scenario scenario);  // "plain", ..., "stdin" for feed, "many-idle"
std::optional<Scenario> scenario_named(std::string_view name);

// True where the user's command is run; the others bring one that fits what they measure.
bool takes_a_command(Scenario scenario);

inline constexpr std::uint64_t kEndless = 0;  // bytes: until the time is up

// What those bring: a command for `bytes` of output, input or line.
std::string own_command(Scenario scenario, std::uint64_t bytes);

struct Exercise {
  enum class Kind {
    run,       // a command's output and status
    feed,      // `feed_bytes` bytes into a command's stdin first
    converse,  // one command for all; each turn is a line there and back
  };
  bool in_session = false;
  Kind kind = Kind::run;
  ReplyForm reply = ReplyForm::whole;
  std::uint64_t feed_bytes = 0;         // UINT64_MAX: until the time is up
  std::optional<std::uint64_t> window;  // of output, that the hello asks for
};

}  // namespace runwire
