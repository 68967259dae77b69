// The live line on a terminal: one line that is written over again and again, and gone at the end.
#pragma once

#include <string>

#include "bench/load.hpp"

namespace runwire {

class Progress {
 public:
  // Writes to stderr, if that is a terminal and `wanted`.
  explicit Progress(bool wanted);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `phase` is what is going on, "warming up" or "measuring".
  void show(const std::string& phase, const Tally& so_far, Nanoseconds elapsed);

 private:
  const bool shown_;
};

// The line itself, without its end.
std::string progress_line(const std::string& phase, const Tally& so_far, Nanoseconds elapsed);

}  // namespace runwire
