#include "server/process_table.hpp"

#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <optional>

#ifdef __linux__
#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "server/descriptor.hpp"
#endif

#include "server/process_family.hpp"

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
enum Field {
  kState,
  kParent,
  kGroup,
  kSession,
  kFlags = 6,
  kThreads = 17,
  kStarted = 19,
  kCodeStart = 23,
  kEnvironmentStart = 47,
  kEnvironmentEnd = 48,
  kFields
};
// PF_EXITING and PF_KTHREAD in the kernel's sched.h
constexpr std::uint64_t kExiting = 0x00000004, kKernelThread = 0x00200000;
constexpr int kReadings = 3;  // of an environment that changes while it is read

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

// The text of a process's `stat`; empty where it is gone.
class Stat {
 public:
  explicit Stat(pid_t pid) {
    const Descriptor file(open(path_of(pid, "stat").data(), O_RDONLY | O_CLOEXEC));
    const ssize_t size = file.get() < 0 ? -1 : read(file.get(), bytes_.data(), bytes_.size());
    if (size > 0) fields_ = fields_of({bytes_.data(), static_cast<std::size_t>(size)});
  }
  Stat(const Stat&) = delete;
  Stat& operator=(const Stat&) = delete;

  bool is_there() const { return !fields_[kStarted].empty(); }
  std::string_view operator[](Field field) const { return fields_[field]; }

 private:
  std::array<char, 1024> bytes_{};
  std::array<std::string_view, kFields> fields_;
};

std::optional<Process> read_process(pid_t pid) {
  const Stat fields(pid);
  if (!fields.is_there()) return std::nullopt;
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

struct Reading {
  enum { unreadable, between_programs, changing, whole } outcome;
  std::string words = {};
};

// An exec first takes the new memory, and says only when it has laid out the program where in it the environment and,
// at the very end, where the code is. Who has ended has no memory any more.
Reading judge(std::string words, const Stat& now) {
  const bool has_ended = !now.is_there() || (number_in(now[kFlags]) & kExiting) != 0;
  if (has_ended) return {Reading::whole, std::move(words)};
  if (number_in(now[kCodeStart]) == 0) return {Reading::between_programs};
  const std::uint64_t bytes = number_in(now[kEnvironmentEnd]) - number_in(now[kEnvironmentStart]);
  return {words.size() == bytes ? Reading::whole : Reading::changing, std::move(words)};
}

Reading read_environment(pid_t pid) {
  const Descriptor file(open(path_of(pid, "environ").data(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return {Reading::unreadable};
  std::string words;
  std::array<char, 16384> bytes{};
  ssize_t size = 0;
  int pieces = 0;
  for (; (size = read(file.get(), bytes.data(), bytes.size())) > 0; ++pieces)
    words.append(bytes.data(), static_cast<std::size_t>(size));
  if (size < 0) return {Reading::unreadable};
  // What comes in one piece is of one moment.
  return pieces == 1 ? Reading{Reading::whole, std::move(words)} : judge(std::move(words), Stat(pid));
}

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

#else

std::optional<Process> read_process(pid_t) { return std::nullopt; }

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

// Whoever has lost its parent is our child then, and never the first process's.
bool adopts_orphans() {
  int adopts = 0;
#ifdef __linux__
  prctl(PR_GET_CHILD_SUBREAPER, &adopts);
#endif
  return adopts != 0;
}

// REQUIRES: `index` is sorted.
template <class Index, class Key> std::vector<std::size_t> places_of(const Index& index, Key key) {
  std::vector<std::size_t> places;
  auto entry = std::lower_bound(index.begin(), index.end(), std::pair(key, std::size_t{0}));
  for (; entry != index.end() && entry->first == key; ++entry) places.push_back(entry->second);
  return places;
}

}  // namespace

void ProcessTable::look(std::uint64_t since) {
  const std::uint64_t now = uv_hrtime();
  const std::uint64_t age = now - seen_at_;
  if (is_known_ && seen_at_ >= since && age <= std::max(kShareNs, kCostFactor * cost_)) return;
  seen_at_ = now;
  ++looks_;
  has_asked_ = false;
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

ProcessTable::Mark ProcessTable::read_mark(pid_t pid) {
  for (int readings = 0; readings < kReadings; ++readings) {
    const Reading reading = read_environment(pid);
    if (reading.outcome == Reading::unreadable) return {Knowledge::unreadable};
    if (reading.outcome == Reading::whole) return {Knowledge::lasting, std::string(mark_in(reading.words))};
    if (reading.outcome == Reading::between_programs) break;
  }
  return {Knowledge::between_programs};
}

#else

void ProcessTable::walk() {}

ProcessTable::Mark ProcessTable::read_mark(pid_t) { return {Knowledge::unreadable}; }

#endif

void ProcessTable::sort() {
  std::sort(all_.begin(), all_.end(), [](const Process& a, const Process& b) { return a.pid < b.pid; });
  by_parent_.clear();
  by_leader_.clear();
  for (std::size_t place = 0; place < all_.size(); ++place) {
    const Process& process = all_[place];
    by_parent_.emplace_back(process.parent, place);
    for (const pid_t leader : {process.pid, process.group, process.session})
      by_leader_.emplace_back(leader, place);
  }
  std::sort(by_parent_.begin(), by_parent_.end());
  std::sort(by_leader_.begin(), by_leader_.end());
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

std::optional<std::size_t> ProcessTable::place_of(pid_t pid) const {
  const auto found =
      std::lower_bound(all_.begin(), all_.end(), pid,
                       [](const Process& process, pid_t wanted) { return process.pid < wanted; });
  if (found == all_.end() || found->pid != pid) return std::nullopt;
  return static_cast<std::size_t>(found - all_.begin());
}

const Process* ProcessTable::find(pid_t pid) const {
  const auto place = place_of(pid);
  return place ? &all_[*place] : nullptr;
}

std::vector<std::size_t> ProcessTable::children_of(pid_t pid) const { return places_of(by_parent_, pid); }

std::vector<std::size_t> ProcessTable::led_by(pid_t pid) const { return places_of(by_leader_, pid); }

std::vector<std::size_t> ProcessTable::marked(std::string_view mark) {
  if (!std::exchange(has_asked_, true)) ask_marks();
  return places_of(by_mark_, mark);
}

void ProcessTable::ask_marks() {
  const std::uint64_t began = uv_hrtime();
  // On a busy machine there is always some stranger that can't tell.
  ProcessFamily strangers(*this);
  if (getpid() != 1 && adopts_orphans()) strangers.add_children_of(1);
  by_mark_.clear();
  has_undecided_ = false;
  for (std::size_t place = 0; place < all_.size(); ++place) {
    Mark& mark = marks_[place];
    const bool is_to_be_asked = all_[place].is_alive && !all_[place].is_kernels && !strangers.has(place);
    if (is_to_be_asked && mark.known == Knowledge::none) mark = read_mark(all_[place].pid);
    has_undecided_ = has_undecided_ || mark.known == Knowledge::between_programs;
    if (!mark.word.empty()) by_mark_.emplace_back(mark.word, place);
  }
  std::sort(by_mark_.begin(), by_mark_.end());
  cost_ += uv_hrtime() - began;
}

bool ProcessTable::still_lives(const Process& process) {
  const auto now = read_process(process.pid);
  return now && now->started == process.started && now->is_alive;
}

}  // namespace runwire
