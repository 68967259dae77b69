// What the user asks of runwire-bench.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "bench/clock.hpp"
#include "bench/exercise.hpp"
#include "bench/load.hpp"
#include "proto/address.hpp"
#include "proto/exit_status.hpp"

namespace runwire {

struct Options {
  Address address;
  std::string command = "echo hello";
  Scenario scenario = Scenario::plain;
  ReplyForm reply = ReplyForm::whole;
  std::uint64_t bytes = 0;  // of output (stream), of input (stdin), of a line (echo)
  std::optional<std::uint64_t> window;
  Plan plan;
  Extent extent;
  Nanoseconds warmup = kSecond;
  std::optional<std::string> expected_payload;  // absent: what the first reply has
  std::optional<ExitStatus> expected_status;    // the same
  std::uint32_t idle = 0;
  std::optional<pid_t> pid;  // of the daemon; absent: found through the connection
  std::string json_path;     // empty: none; "-": stdout
  std::string csv_path;
  bool progress = true;
};

// Nothing is to be measured: the program ends with `code`, having printed `text`.
struct EarlyExit {
  int code;          // 0: help or version, for stdout; kExitTrouble: misuse, for stderr
  std::string text;  // ends with a newline
};

// The exit codes of runwire-bench; 0 means that every reply was right.
inline constexpr int kExitWrong = 1;      // at least one command failed or was answered wrongly
inline constexpr int kExitTrouble = 255;  // nothing could be measured: misuse, no daemon, no resources

// Reads the command line. Without a host on it the daemon is the user's own, at its default socket, for which
// `xdg_runtime_dir` is the variable's value.
std::variant<Options, EarlyExit> parse_options(int argc, const char* const* argv,
                                               std::string_view xdg_runtime_dir);

}  // namespace runwire
