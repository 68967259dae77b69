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
  std::uint64_t runtime_ns =
      0;  // of a normal policy: the slice; 0: the usual one, or the kernel tells of none
  std::uint64_t deadline_ns = 0;
  std::uint64_t period_ns = 0;
};

constexpr std::uint32_t kNormalPolicy = 0;
constexpr std::uint64_t kResetOnFork = 1;
constexpr std::uint64_t kBriefNs = 500'000;    // from 1 ms on, nothing is gained
constexpr std::uint64_t kAmpleNs = 3'000'000;  // with more, nothing is gained

bool read(Scheduling& now) {
  now = Scheduling();
  return syscall(SYS_sched_getattr, 0, &now, sizeof now, 0) == 0;
}

void set_slice(Scheduling scheduling, std::uint64_t slice_ns) {
  scheduling.size = sizeof scheduling;
  scheduling.flags = kResetOnFork;
  scheduling.runtime_ns = slice_ns;
  syscall(SYS_sched_setattr, 0, &scheduling, 0);
}

std::uint64_t ns_of(TimeSlice::Length length) {
  switch (length) {
    case TimeSlice::Length::brief:
      return kBriefNs;
    case TimeSlice::Length::ample:
      return kAmpleNs;
    case TimeSlice::Length::usual:
      break;
  }
  return 0;
}

bool is_normal(const Scheduling& now) { return now.policy == kNormalPolicy && now.nice >= 0; }

}  // namespace

TimeSlice::TimeSlice() {
  Scheduling now;
  if (!read(now) || !is_normal(now)) return;
  // The program that this process ran before has asked for one.
  if ((now.flags & kResetOnFork) != 0) set_slice(now, 0);
  is_ours_ = read(now) && now.runtime_ns > kBriefNs;
}

// The nice value is read again, since it can be changed from outside.
void TimeSlice::ask_for(Length length) {
  if (!is_ours_ || length == now_) return;
  now_ = length;
  Scheduling now;
  if (read(now) && is_normal(now)) set_slice(now, ns_of(length));
}

}  // namespace runwire

#else

namespace runwire {

TimeSlice::TimeSlice() { static_cast<void>(is_ours_); }
void TimeSlice::ask_for(Length length) { now_ = length; }

}  // namespace runwire

#endif
