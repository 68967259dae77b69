// Descriptors with small numbers, kept for handing pipes to children. Where the daemon has many descriptors open, a
// child shares its table and then takes a copy of the lowest entries only, up to kept_below(): copying ten thousand
// connections for every command, to close them all again at its exec, costs three times the command. Linux only.
#pragma once

#ifdef __linux__

#include <array>
#include <vector>

#include "server/descriptor.hpp"

namespace runwire {

class LowDescriptors {
 public:
  using Set = std::array<Descriptor, 4>;

  // `null`, open on /dev/null, outlives the LowDescriptors.
  explicit LowDescriptors(int null);
  LowDescriptors(const LowDescriptors&) = delete;
  LowDescriptors& operator=(const LowDescriptors&) = delete;

  // A set that stands in the place of stdio[1], stdio[2] and, where there are such, the script and a stdin other than
  // /dev/null; null where none is free. It is ours, and to be taken back.
  Set* lend(int (&stdio)[3], int& script_fd);

  // When the child has a table of its own. Nothing but the child may hold the pipes' ends, or their end is never seen.
  void take_back(Set* set);

  int kept_below() const;

 private:
  int null_;
  std::array<Set, 8> sets_;
  std::vector<Set*> free_;
};

}  // namespace runwire

#endif
