#include "bench/progress.hpp"

#include <unistd.h>

#include <cstdio>

#include "bench/decimal.hpp"

namespace runwire {

std::string progress_line(const std::string& phase, const Tally& so_far, Nanoseconds elapsed) {
  const double span = seconds(elapsed);
  const double rate = span > 0 ? static_cast<double>(so_far.right) / span : 0;
  const auto ms = [&](double percent) {
    return decimal(milliseconds(so_far.latency.percentile(percent)), 2);
  };
  return phase + " " + decimal(span, 1) + " s: " + decimal(rate, 0) + " commands/s, p50 " + ms(50) +
         " ms, p99 " + ms(99) + " ms, " + std::to_string(so_far.failed()) + " failed";
}

Progress::Progress(bool wanted) : shown_(wanted && ::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (shown_) std::fputs("\r\033[K", stderr);
}

void Progress::show(const std::string& phase, const Tally& so_far, Nanoseconds elapsed) {
  if (!shown_) return;
  std::fprintf(stderr, "\r%s\033[K", progress_line(phase, so_far, elapsed).c_str());
  std::fflush(stderr);
}

}  // namespace runwire
