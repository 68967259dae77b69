#include "server/process_table.hpp"

#include <uv.h>

#include <algorithm>
#include <optional>

#ifdef __linux__
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "server/descriptor.hpp"
#endif

namespace runwire {
namespace {

constexpr std::uint64_t kShareNs = 5'000'000;
constexpr std::uint64_t kCostFactor = 4;

#ifdef __linux__

std::array<char, 40> path_of(pid_t pid, const char* file) {
  std::array<char, 40> path{};
  std::snprintf(path.data(), path.size(), "/proc/%d/%s", static_cast<int>(pid), file);
  return path;
}

// Fields of /proc/PID/stat behind the name, which itself may hold anything. Source: proc(5).
enum Field { kState, kParent, kGroup, kSession, kFlags = 6, kThreads = 17, kStarted = 19, kFields };
constexpr std::uint64_t kKernelThread = 0x00200000;  // PF_KTHREAD in the kernel's sched.h

std::array<std::string_view, kFields> fields_of(std::string_view text) {
  std::array<std::string_view, kFields> fields;
  const std::size_t name_end = text.rfind(") ");
  if (name_end == text.npos) return fields;
  text.remove_prefix(name_end + 2);
  for (std::string_view& field : fields) {
    const std::size_t end = std::min(text.find(' '), text.size());
    field = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return fields;
}

std::uint64_t number_in(std::string_view field) {
  std::uint64_t number = 0;
  std::from_chars(field.data(), field.data() + field.size(), number);
  return number;
}

pid_t pid_in(std::string_view field) { return static_cast<pid_t>(number_in(field)); }

std::optional<Process> read_process(pid_t pid) {
  const Descriptor file(open(path_of(pid, "stat").data(), O_RDONLY | O_CLOEXEC));
  std::array<char, 1024> bytes{};
  const ssize_t size = file.get() < 0 ? -1 : read(file.get(), bytes.data(), bytes.size());
  if (size <= 0) return std::nullopt;
  const auto fields = fields_of({bytes.data(), static_cast<std::size_t>(size)});
  if (fields[kStarted].empty()) return std::nullopt;
  // A process whose first thread has ended is a zombie by its state, but lives while it has others.
  const bool has_ended = (fields[kState] == "Z" || fields[kState] == "X") && number_in(fields[kThreads]) <= 1;
  return Process{pid,
                 pid_in(fields[kParent]),
                 pid_in(fields[kGroup]),
                 pid_in(fields[kSession]),
                 number_in(fields[kStarted]),
                 !has_ended,
                 (number_in(fields[kFlags]) & kKernelThread) != 0};
}

std::string read_environment(pid_t pid) {
  const Descriptor file(open(path_of(pid, "environ").data(), O_RDONLY | O_CLOEXEC));
  std::string words;
  std::array<char, 16384> bytes{};
  if (file.get() < 0) return words;
  for (ssize_t size; (size = read(file.get(), bytes.data(), bytes.size())) > 0;)
    words.append(bytes.data(), static_cast<std::size_t>(size));
  return words;
}

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

#else

std::optional<Process> read_process(pid_t) { return std::nullopt; }
std::string read_environment(pid_t) { return {}; }

#endif

bool is_mark(std::string_view word) {
  return word.starts_with(kMarkName) && word.substr(kMarkName.size(), 1) == "=";
}

std::string_view mark_in(std::string_view words) {
  for (std::size_t at = 0; at < words.size();) {
    const std::size_t end = std::min(words.find('\0', at), words.size());
    const std::string_view word = words.substr(at, end - at);
    if (is_mark(word)) return word;
    at = end + 1;
  }
  return {};
}

}  // namespace

void ProcessTable::look(std::uint64_t since) {
  const std::uint64_t now = uv_hrtime();
  const std::uint64_t age = now - seen_at_;
  if (is_known_ && seen_at_ >= since && age <= std::max(kShareNs, kCostFactor * cost_)) return;
  seen_at_ = now;
  ++looks_;
  const std::vector<Process> before = std::exchange(all_, {});
  walk();
  sort();
  keep_marks(before, std::exchange(marks_, {}));
  cost_ = uv_hrtime() - now;
}

#ifdef __linux__

void ProcessTable::walk() {
  const std::unique_ptr<DIR, CloseDirectory> directory(opendir("/proc"));
  is_known_ = directory != nullptr;
  if (!is_known_) return;
  while (const dirent* entry = readdir(directory.get())) {
    const pid_t pid = std::atoi(entry->d_name);  // 0 for what is no process
    const auto process = pid > 0 ? read_process(pid) : std::nullopt;
    if (process) all_.push_back(*process);
  }
}

#else

void ProcessTable::walk() {}

#endif

void ProcessTable::sort() {
  std::sort(all_.begin(), all_.end(), [](const Process& a, const Process& b) { return a.pid < b.pid; });
  by_parent_.clear();
  for (std::size_t place = 0; place < all_.size(); ++place)
    by_parent_.emplace_back(all_[place].parent, place);
  std::sort(by_parent_.begin(), by_parent_.end());
}

void ProcessTable::keep_marks(const std::vector<Process>& before, std::vector<Mark> marks) {
  marks_.resize(all_.size());
  std::size_t old = 0;
  for (std::size_t place = 0; place < all_.size(); ++place) {
    while (old < before.size() && before[old].pid < all_[place].pid) ++old;
    if (old == before.size()) return;
    const bool is_same = before[old].pid == all_[place].pid && before[old].started == all_[place].started;
    if (is_same && marks[old].known == Knowledge::lasting) marks_[place] = std::move(marks[old]);
  }
}

const Process* ProcessTable::find(pid_t pid) const {
  const auto found =
      std::lower_bound(all_.begin(), all_.end(), pid,
                       [](const Process& process, pid_t wanted) { return process.pid < wanted; });
  return found != all_.end() && found->pid == pid ? &*found : nullptr;
}

std::vector<std::size_t> ProcessTable::children_of(pid_t pid) const {
  std::vector<std::size_t> places;
  auto child = std::lower_bound(by_parent_.begin(), by_parent_.end(), std::pair(pid, std::size_t{0}));
  for (; child != by_parent_.end() && child->first == pid; ++child) places.push_back(child->second);
  return places;
}

const std::string& ProcessTable::mark_of(std::size_t place) {
  Mark& mark = marks_[place];
  const Process& process = all_[place];
  if (mark.known != Knowledge::none || !process.is_alive || process.is_kernels) return mark.word;
  const std::uint64_t began = uv_hrtime();
  const std::string words = read_environment(process.pid);
  // Nothing at all is also what is read in the middle of an exec.
  mark.known = words.empty() ? Knowledge::until_next_look : Knowledge::lasting;
  mark.word = mark_in(words);
  cost_ += uv_hrtime() - began;
  return mark.word;
}

bool ProcessTable::still_lives(const Process& process) {
  const auto now = read_process(process.pid);
  return now && now->started == process.started && now->is_alive;
}

}  // namespace runwire
