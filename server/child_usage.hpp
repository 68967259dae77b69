// What a child has used, from what wait4(2) tells. Linux only: ru_maxrss is in KiB.
#pragma once

#ifdef __linux__

#include <sys/resource.h>
#include <sys/time.h>

#include <cstdint>
#include <optional>

#include "proto/outcome.hpp"

namespace runwire {

class ChildUsage {
 public:
  // Of one that has ended.
  Usage of(const rusage& told, double wall_ms) {
    Usage usage;
    usage.wall_ms = wall_ms;
    usage.user_ms = milliseconds(told.ru_utime);
    usage.sys_ms = milliseconds(told.ru_stime);
    usage.max_rss_kb = peak(told.ru_maxrss);
    return usage;
  }

 private:
  // The kernel counts the memory that a child has borrowed as the child's: a peak below the daemon's own is not known.
  std::optional<std::int64_t> peak(long child_kb) {
    if (child_kb > daemon_kb_) daemon_kb_ = daemon_kb_now();  // it only grows
    if (child_kb <= daemon_kb_) return std::nullopt;
    return child_kb;
  }

  static double milliseconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
  }

  static long daemon_kb_now() {
    rusage daemon{};
    getrusage(RUSAGE_SELF, &daemon);
    return daemon.ru_maxrss;
  }

  long daemon_kb_ = 0;  // its own peak, when it was last asked for
};

}  // namespace runwire

#endif
