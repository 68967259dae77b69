// runwire-bench: measures how fast a daemon answers, and whether it answers right.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>

#include "bench/measurement.hpp"
#include "bench/options.hpp"
#include "bench/progress.hpp"
#include "bench/report.hpp"

namespace {

using namespace runwire;

volatile std::sig_atomic_t interrupted = 0;

// The first Ctrl-C ends the run with a report, the second one the program.
void stop_at_interrupt() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &action, nullptr);
}

bool write_out(const std::string& path, const std::string& text) {
  if (path.empty()) return true;
  if (path == "-") return static_cast<bool>(std::cout << text << std::flush);
  std::ofstream file(path, std::ios::binary);
  if (file << text << std::flush) return true;
  std::cerr << "runwire-bench: cannot write '" << path << "'\n";
  return false;
}

int publish(const Report& report) {
  const Options& options = report.options;
  for (const std::string& warning : warnings(report))
    std::cerr << "runwire-bench: warning: " << warning << "\n";
  const bool data_on_stdout = options.json_path == "-" || options.csv_path == "-";
  if (!data_on_stdout) write_out("-", to_text(report));
  const bool written =
      write_out(options.json_path, to_json(report)) && write_out(options.csv_path, to_csv(report));
  if (!written) return kExitTrouble;
  if (data_on_stdout && !report.tally.gave_up.empty())
    std::cerr << "runwire-bench: ended early: " << report.tally.gave_up << "\n";
  return report.all_right() ? EXIT_SUCCESS : kExitWrong;
}

int run(const Options& options) {
  stop_at_interrupt();
  Result<Report> report = [&] {
    Progress progress(options.progress);
    return measure(options, [&](const char* phase, const Tally& so_far, Nanoseconds elapsed) {
      progress.show(phase, so_far, elapsed);
      return interrupted == 0;
    });
  }();
  if (report) return publish(*report);
  std::cerr << "runwire-bench: " << report.error().message << "\n";
  return kExitTrouble;
}

}  // namespace

int main(int argc, char** argv) {
  const char* runtime_dir = std::getenv("XDG_RUNTIME_DIR");
  const auto parsed = parse_options(argc, argv, runtime_dir != nullptr ? runtime_dir : "");
  if (const auto* options = std::get_if<Options>(&parsed)) return run(*options);
  const auto& early = std::get<EarlyExit>(parsed);
  (early.code == 0 ? std::cout : std::cerr) << early.text << std::flush;
  return early.code;
}
