// What the daemon costs its machine, seen from outside: which process it is, its CPU time and its memory.
// Linux tells in /proc; elsewhere, and for a daemon on another machine, everything here is absent.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace runwire {

struct DaemonSample {
  double own_cpu_s = 0;       // user and system time of the process, all of its threads
  double children_cpu_s = 0;  // of its children that have ended and were waited for
  std::int64_t rss_kb = 0;
  std::int64_t peak_rss_kb = 0;  // in all of its life
};

// The process behind the connected socket `fd`. On a Unix socket the kernel says who listens; on loopback TCP
// the owner of the socket's other end is looked for, so the daemon must have accepted the connection (and
// have answered on it). Absent: another machine or another user's process, or the system cannot tell.
std::optional<pid_t> daemon_pid(int fd);

std::optional<DaemonSample> sample_daemon(pid_t pid);

// The name of the program that runs there; empty where it cannot be learnt.
std::string program_name(pid_t pid);

// For sample_daemon(), and for tests: the fields of /proc/PID/stat (times in ticks of `ticks_per_second`) and
// of /proc/PID/status. Absent where the text is not of that form.
struct CpuTimes {
  double own_s;
  double children_s;
};
std::optional<CpuTimes> parse_proc_stat(std::string_view text, double ticks_per_second);
std::optional<std::int64_t> parse_status_kb(std::string_view text, std::string_view field);

// The inode of the socket whose own port is `local` and whose peer's is `remote`, in the text of
// /proc/net/tcp or tcp6; absent too while nobody has accepted it.
std::optional<std::uint64_t> find_tcp_inode(std::string_view table, std::uint16_t local,
                                            std::uint16_t remote);

}  // namespace runwire
