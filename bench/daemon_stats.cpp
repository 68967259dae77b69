#include "bench/daemon_stats.hpp"

#include <dirent.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <sstream>
#include <vector>

#include "bench/text_file.hpp"

namespace runwire {
namespace {

std::string proc(pid_t pid, std::string_view file) {
  std::string path = "/proc/";
  path += std::to_string(pid);
  path += '/';
  return path += file;
}

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(directory.c_str()), ::closedir);
  if (!dir) return names;
  while (const dirent* entry = ::readdir(dir.get())) names.emplace_back(entry->d_name);
  return names;
}

std::string link_target(const std::string& path) {
  char target[4096];
  const ssize_t size = ::readlink(path.c_str(), target, sizeof target);
  return size < 0 ? std::string() : std::string(target, static_cast<std::size_t>(size));
}

bool holds(pid_t pid, const std::string& wanted) {
  const std::string directory = proc(pid, "fd");
  const auto names = names_in(directory);
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return link_target(directory + "/" + name) == wanted; });
}

// The lowest of several, which is most often the parent of the others.
std::optional<pid_t> holder_of(std::uint64_t inode) {
  const std::string wanted = "socket:[" + std::to_string(inode) + "]";
  std::vector<pid_t> pids;
  for (const std::string& name : names_in("/proc")) {
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error == std::errc() && end == name.data() + name.size()) pids.push_back(pid);
  }
  std::sort(pids.begin(), pids.end());
  const auto found = std::find_if(pids.begin(), pids.end(), [&](pid_t pid) { return holds(pid, wanted); });
  return found == pids.end() ? std::nullopt : std::optional(*found);
}

std::uint16_t port_of(const sockaddr_storage& address) {
  // The port stands at the same place in both families.
  const auto* ipv4 = reinterpret_cast<const sockaddr_in*>(&address);
  const bool ip = address.ss_family == AF_INET || address.ss_family == AF_INET6;
  return ip ? ntohs(ipv4->sin_port) : 0;
}

std::optional<pid_t> unix_listener(int fd) {
#if defined(__linux__)
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid > 0) return peer.pid;
#endif
  static_cast<void>(fd);
  return std::nullopt;
}

std::optional<pid_t> tcp_peer(std::uint16_t own_port, std::uint16_t peer_port) {
  for (const char* path : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    const auto table = read_text_file(path);
    if (!table) continue;
    if (const auto inode = find_tcp_inode(*table, peer_port, own_port)) return holder_of(*inode);
  }
  return std::nullopt;
}

// "0100007F:1F92" -> 0x1F92
std::optional<std::uint16_t> hex_port(std::string_view address) {
  const auto colon = address.rfind(':');
  if (colon == address.npos) return std::nullopt;
  std::uint16_t port = 0;
  const auto error =
      std::from_chars(address.data() + colon + 1, address.data() + address.size(), port, 16).ec;
  return error == std::errc() ? std::optional(port) : std::nullopt;
}

}  // namespace

std::optional<pid_t> daemon_pid(int fd) {
  sockaddr_storage own{};
  sockaddr_storage peer{};
  socklen_t own_size = sizeof own;
  socklen_t peer_size = sizeof peer;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &own_size) != 0) return std::nullopt;
  if (own.ss_family == AF_UNIX) return unix_listener(fd);
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &peer_size) != 0) return std::nullopt;
  return tcp_peer(port_of(own), port_of(peer));
}

std::optional<DaemonSample> sample_daemon(pid_t pid) {
  const auto stat = read_text_file(proc(pid, "stat"));
  const auto status = read_text_file(proc(pid, "status"));
  if (!stat || !status) return std::nullopt;
  const auto cpu = parse_proc_stat(*stat, static_cast<double>(::sysconf(_SC_CLK_TCK)));
  const auto rss = parse_status_kb(*status, "VmRSS");
  const auto peak = parse_status_kb(*status, "VmHWM");
  if (!cpu || !rss || !peak) return std::nullopt;
  return DaemonSample{cpu->own_s, cpu->children_s, *rss, *peak};
}

std::string program_name(pid_t pid) {
  std::string exe = link_target(proc(pid, "exe"));
  // It was rebuilt or upgraded while it ran.
  if (const auto deleted = exe.rfind(" (deleted)"); deleted != exe.npos) exe.resize(deleted);
  return exe.substr(exe.rfind('/') + 1);
}

std::optional<CpuTimes> parse_proc_stat(std::string_view text, double ticks_per_second) {
  // The second field is the program's name in parentheses, which may itself hold blanks and parentheses.
  const auto name_end = text.rfind(')');
  if (name_end == text.npos) return std::nullopt;
  std::istringstream fields{std::string(text.substr(name_end + 1))};
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  double user = 0;
  double system = 0;
  double children_user = 0;
  double children_system = 0;
  if (!(fields >> user >> system >> children_user >> children_system)) return std::nullopt;
  return CpuTimes{(user + system) / ticks_per_second, (children_user + children_system) / ticks_per_second};
}

std::optional<std::int64_t> parse_status_kb(std::string_view text, std::string_view field) {
  const auto line = text.find(std::string("\n").append(field).append(":"));
  if (line == text.npos) return std::nullopt;
  const auto digits = text.find_first_of("0123456789", line + field.size());
  if (digits == text.npos) return std::nullopt;
  std::int64_t kb = 0;
  const auto error = std::from_chars(text.data() + digits, text.data() + text.size(), kb).ec;
  return error == std::errc() ? std::optional(kb) : std::nullopt;
}

std::optional<std::uint64_t> find_tcp_inode(std::string_view table, std::uint16_t local,
                                            std::uint16_t remote) {
  std::istringstream lines{std::string(table)};
  std::string line;
  std::getline(lines, line);  // the columns' titles
  while (std::getline(lines, line)) {
    std::istringstream fields(line);
    std::string number;
    std::string own;
    std::string peer;
    std::string skipped;
    std::uint64_t inode = 0;
    fields >> number >> own >> peer;
    if (hex_port(own) != local || hex_port(peer) != remote) continue;
    for (int field = 3; field < 9; ++field) fields >> skipped;
    if (fields >> inode && inode != 0) return inode;
  }
  return std::nullopt;
}

}  // namespace runwire
