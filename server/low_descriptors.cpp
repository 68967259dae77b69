#ifdef __linux__

#include "server/low_descriptors.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "server/script.hpp"

namespace runwire {
namespace {

int place(int fd, const Descriptor& slot) {
  dup3(fd, slot.get(), O_CLOEXEC);
  return slot.get();
}

}  // namespace

LowDescriptors::LowDescriptors(int null) : null_(null) {
  for (Set& set : sets_) {
    for (Descriptor& slot : set) slot = Descriptor(fcntl(null, F_DUPFD_CLOEXEC, kScriptFd + 1));
    free_.push_back(&set);
  }
}

LowDescriptors::Set* LowDescriptors::lend(int (&stdio)[3], int& script_fd) {
  if (free_.empty()) return nullptr;
  Set* set = free_.back();
  free_.pop_back();
  stdio[1] = place(stdio[1], (*set)[0]);
  stdio[2] = place(stdio[2], (*set)[1]);
  if (script_fd >= 0) script_fd = place(script_fd, (*set)[2]);
  if (stdio[0] != null_) stdio[0] = place(stdio[0], (*set)[3]);
  return set;
}

void LowDescriptors::take_back(Set* set) {
  for (const Descriptor& slot : *set) place(null_, slot);
  free_.push_back(set);
}

int LowDescriptors::kept_below() const {
  int highest = null_;
  for (const Set& set : sets_)
    for (const Descriptor& slot : set) highest = std::max(highest, slot.get());
  return highest + 1;
}

}  // namespace runwire

#endif
