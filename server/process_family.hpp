// Processes by their places in a table, each with all that descends from it.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "server/process_table.hpp"

namespace runwire {

// Never this process, nor the first, and nobody through them. REQUIRES: the table outlives it, and is not looked at
// anew.
class ProcessFamily {
 public:
  explicit ProcessFamily(const ProcessTable& table) : table_(table), is_in_(table.all().size(), false) {}

  bool has(std::size_t place) const { return is_in_[place]; }

  void add(std::size_t place) {
    take(place);
    for (; visited_ < places_.size(); ++visited_) take_children_of(table_.all()[places_[visited_]].pid);
  }

  void add_children_of(pid_t pid) {
    for (const std::size_t child : table_.children_of(pid)) add(child);
  }

  // In the order of their numbers.
  std::vector<Process> living() const {
    std::vector<Process> living;
    for (const std::size_t place : places_)
      if (table_.all()[place].is_alive) living.push_back(table_.all()[place]);
    std::sort(living.begin(), living.end(), [](const Process& a, const Process& b) { return a.pid < b.pid; });
    return living;
  }

 private:
  void take(std::size_t place) {
    const pid_t pid = table_.all()[place].pid;
    if (is_in_[place] || pid == 1 || pid == getpid()) return;
    is_in_[place] = true;
    places_.push_back(place);
  }

  void take_children_of(pid_t pid) {
    for (const std::size_t child : table_.children_of(pid)) take(child);
  }

  const ProcessTable& table_;
  std::vector<bool> is_in_;
  std::vector<std::size_t> places_;
  std::size_t visited_ = 0;  // of places_: their children are in it, too
};

}  // namespace runwire
