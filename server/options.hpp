// What the operator asked for on runwired's command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proto/address.hpp"
#include "proto/client_message.hpp"
#include "server/access.hpp"
#include "server/log.hpp"

namespace runwire {

enum class SpawnerChoice { automatic, uv, native };

struct Options {
  std::vector<Address> listen;  // empty: the default port on 127.0.0.1 and the default Unix socket
  PlainPolicy plain = PlainPolicy::own_user;
  std::size_t max_running = 1000;
  std::size_t max_queued = 10000;
  std::size_t max_connections = 20000;
  std::size_t max_kept = 16384;
  std::uint64_t max_keep_ms = std::uint64_t{24} * 3600 * 1000;
  unsigned follower_timeout_ms =
      30000;  // a client that holds up others' output for so long is let go; 0: never
  std::uint64_t spill_space_bytes = std::uint64_t{8} << 30;  // of all kept commands
  std::uint64_t max_output_bytes = std::uint64_t{4} << 30;
  CommandLimits caps = {};  // of every command, over what its client wishes
  unsigned drain_timeout_ms = 10000;
  unsigned ping_ms = 15000;  // a session's peer that is silent for so long is asked; 0: never
  std::string shell = "/bin/sh";
  SpawnerChoice spawner = SpawnerChoice::automatic;
  bool direct = true;         // plain words may run without the shell
  bool leads_session = true;  // each command; else a process group only
  bool cgroups = true;        // for kept commands, where they are to be had
  std::string cwd;            // of the commands
  std::string spill_dir;
  bool upgrades = false;  // only asks the daemon that runs to
  log::Level log_level = log::Level::info;
};

// Exit statuses of the LSB (daemon(7)) that runwired uses.
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;

// Either options, or the status to exit with at once, its words already printed: --help, --version, a mistake.
struct Invocation {
  std::optional<Options> options;
  int exit_status = 0;
};
Invocation parse_command_line(int argc, char** argv);

}  // namespace runwire
