#include "server/cgroup.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>

namespace runwire {
namespace {

constexpr std::string_view kPrefix = "runwired.";

bool is_gone(std::string_view digits) {
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), pid);
  const bool is_pid = error == std::errc() && end == digits.data() + digits.size() && pid > 0;
  return is_pid && ::kill(pid, 0) != 0 && errno == ESRCH;
}

std::string content_of(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string content;
  char piece[4096];
  for (ssize_t size; file.get() >= 0 && (size = read(file.get(), piece, sizeof piece)) > 0;)
    content.append(piece, static_cast<std::size_t>(size));
  return content;
}

bool put(const std::string& path, std::string_view text) {
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file.get() >= 0 && write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(at), text.size());
    parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

// Ours in the hierarchy of version 2: the line 0::PATH. Source: cgroups(7).
std::optional<std::string> own_group() {
  const std::string groups = content_of("/proc/self/cgroup");
  for (const std::string_view line : split(groups, '\n'))
    if (line.starts_with("0::/")) return std::string(line.substr(3));
  return std::nullopt;
}

// The directory of that group where this line of mountinfo is a mount that shows it. Source: proc(5).
std::string directory_by(std::string_view mount, std::string_view group) {
  const auto fields = split(mount, ' ');
  constexpr std::size_t kRoot = 3, kPoint = 4;
  if (fields.size() <= kPoint || mount.find(" - cgroup2 ") == mount.npos) return "";
  const std::string_view root = fields[kRoot] == "/" ? "" : fields[kRoot];
  if (!group.starts_with(root)) return "";
  return std::string(fields[kPoint]) + std::string(group.substr(root.size()));
}

std::string own_directory() {
  const auto group = own_group();
  if (!group) return "";
  const std::string mounts = content_of("/proc/self/mountinfo");
  for (const std::string_view mount : split(mounts, '\n'))
    if (std::string path = directory_by(mount, *group); !path.empty()) return path;
  return "";
}

// What is populated stays.
void remove_with_groups(const std::string& path) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(path, ignored))
    if (entry.is_directory(ignored)) rmdir(entry.path().c_str());
  rmdir(path.c_str());
}

// Of processes that ended without a word, by names such as ours.
void remove_leftovers(const std::string& parent) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(parent, ignored)) {
    const std::string name = entry.path().filename();
    const bool is_leftover = name.starts_with(kPrefix) && is_gone(name.substr(kPrefix.size()));
    if (is_leftover) remove_with_groups(entry.path());
  }
}

}  // namespace

Cgroup::Cgroup(std::string path)
    : path_(std::move(path)), door_(open((path_ + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC)) {}

Cgroup::~Cgroup() { rmdir(path_.c_str()); }

std::vector<pid_t> Cgroup::members() const {
  std::vector<pid_t> pids;
  const std::string content = content_of(path_ + "/cgroup.procs");
  for (const std::string_view line : split(content, '\n')) {
    pid_t pid = 0;
    std::from_chars(line.data(), line.data() + line.size(), pid);
    if (pid > 0) pids.push_back(pid);  // 0: one that another namespace has
  }
  return pids;
}

std::size_t Cgroup::kill() const {
  const std::size_t count = members().size();
  return count > 0 && put(path_ + "/cgroup.kill", "1") ? count : 0;
}

std::unique_ptr<CgroupTree> CgroupTree::make() {
  const std::string parent = own_directory();
  if (parent.empty()) return nullptr;
  remove_leftovers(parent);
  const std::string name = std::string(kPrefix) + std::to_string(getpid());
  const std::string path = parent + (parent.ends_with('/') ? "" : "/") + name;
  if (mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return nullptr;
  std::unique_ptr<CgroupTree> tree(new CgroupTree(path));
  // A directory of another kind, or one to which nobody may be moved, is of no use.
  return access((path + "/cgroup.procs").c_str(), W_OK) == 0 ? std::move(tree) : nullptr;
}

// With those of commands that nobody owns any more.
CgroupTree::~CgroupTree() { remove_with_groups(path_); }

std::unique_ptr<Cgroup> CgroupTree::make_group(const std::string& name) const {
  const std::string path = path_ + "/" + name;
  return mkdir(path.c_str(), 0755) == 0 ? open_group(name) : nullptr;
}

std::unique_ptr<Cgroup> CgroupTree::open_group(const std::string& name) const {
  auto group = std::make_unique<Cgroup>(path_ + "/" + name);
  return group->door() >= 0 ? std::move(group) : nullptr;
}

}  // namespace runwire
