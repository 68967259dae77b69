#include "server/time_slice.hpp"

#ifdef __linux__

#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace runwire {
namespace {

// As sched_setattr(2) has it; libc's headers have it, or do not, or clash with the kernel's.
struct Scheduling {
  std::uint32_t size = sizeof(Scheduling);
  std::uint32_t policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime_ns = 0;  // of a normal policy: the slice; 0 where the kernel does not tell of it
  std::uint64_t deadline_ns = 0;
  std::uint64_t period_ns = 0;
};

constexpr std::uint32_t kNormalPolicy = 0;
constexpr std::uint64_t kResetOnFork = 1;
constexpr std::uint64_t kSliceNs = 500'000;  // from 1 ms on, nothing is gained

}  // namespace

void take_short_slices() {
  Scheduling now;
  if (syscall(SYS_sched_getattr, 0, &now, sizeof now, 0) != 0) return;
  if (now.policy != kNormalPolicy || now.nice < 0 || now.runtime_ns <= kSliceNs) return;
  now.size = sizeof now;
  now.flags = kResetOnFork;
  now.runtime_ns = kSliceNs;
  syscall(SYS_sched_setattr, 0, &now, 0);
}

}  // namespace runwire

#else

namespace runwire {

void take_short_slices() {}

}  // namespace runwire

#endif
