#include "bench/bare_copy.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "bench/clock.hpp"
#include "client/unique_fd.hpp"

extern char** environ;

namespace runwire {
namespace {

constexpr std::size_t kPieceBytes = 64 * 1024;  // a pipe's default capacity

Error failed(const char* what) { return {Errc::io, std::string(what) + ": " + std::strerror(errno)}; }

struct Link {
  UniqueFd near, far;
};

// A TCP connection on loopback.
Result<Link> connect_to_self() {
  const UniqueFd listener(socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener.get(), raw, size) != 0 || listen(listener.get(), 1) != 0) return failed("listen");
  getsockname(listener.get(), raw, &size);
  Link link{UniqueFd(socket(AF_INET, SOCK_STREAM, 0)), UniqueFd()};
  if (connect(link.near.get(), raw, size) != 0) return failed("connect");
  link.far = UniqueFd(accept(listener.get(), nullptr, nullptr));
  if (link.far.get() < 0) return failed("accept");
  return link;
}

// Starts a command whose descriptor `fd`, 0 or 1, is a pipe, and returns our end of it.
Result<UniqueFd> start_with_pipe(const char* const* argv, int fd, pid_t& pid) {
  int ends[2];
  if (pipe(ends) != 0) return failed("pipe");
  UniqueFd ours(ends[fd == 1 ? 0 : 1]);
  const UniqueFd theirs(ends[fd == 1 ? 1 : 0]);
  for (const int end : ends) fcntl(end, F_SETFD, FD_CLOEXEC);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), fd);
  if (fd == 0) posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  errno = posix_spawnp(&pid, argv[0], &actions, nullptr, const_cast<char* const*>(argv), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (errno != 0) return failed(argv[0]);
  return ours;
}

// Returns the end of the pipe that `head` writes.
Result<UniqueFd> start_writer(std::uint64_t bytes, pid_t& pid) {
  const std::string count = std::to_string(bytes);
  const char* argv[] = {"head", "-c", count.c_str(), "/dev/zero", nullptr};
  return start_with_pipe(argv, 1, pid);
}

Result<UniqueFd> start_counter(pid_t& pid) {
  const char* argv[] = {"wc", "-c", nullptr};
  return start_with_pipe(argv, 0, pid);
}

bool write_all(int fd, const char* bytes, std::size_t size) {
  while (size > 0) {
    const ssize_t written = write(fd, bytes, size);
    if (written <= 0) return false;
    bytes += written;
    size -= static_cast<std::size_t>(written);
  }
  return true;
}

bool copy_by_read_and_write(int from, int to) {
  std::vector<char> piece(kPieceBytes);
  for (;;) {
    const ssize_t count = read(from, piece.data(), piece.size());
    if (count <= 0) return count == 0;
    if (!write_all(to, piece.data(), static_cast<std::size_t>(count))) return false;
  }
}

bool copy_by_splice(int from, int to) {
#ifdef __linux__
  for (;;) {
    const ssize_t count = splice(from, nullptr, to, nullptr, kPieceBytes, SPLICE_F_MOVE);
    if (count <= 0) return count == 0;
  }
#else
  (void)from, (void)to;
  return false;
#endif
}

void discard(int from) {
  std::vector<char> piece(4 * kPieceBytes);
  while (read(from, piece.data(), piece.size()) > 0) continue;
}

void send_zeros(int to, std::uint64_t bytes) {
  const std::vector<char> piece(4 * kPieceBytes);
  while (bytes > 0) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, piece.size()));
    if (!write_all(to, piece.data(), size)) break;
    bytes -= size;
  }
  shutdown(to, SHUT_WR);
}

}  // namespace

Result<BareCopyResult> measure_bare_copy(CopyHow how, std::uint64_t bytes) {
#ifndef __linux__
  if (how == CopyHow::splice) return Error{Errc::invalid_argument, "splice: this system has none"};
#endif
  auto link = connect_to_self();
  RUNWIRE_TRY(link);
  for (const int fd : {link->near.get(), link->far.get()}) fcntl(fd, F_SETFD, FD_CLOEXEC);
  std::thread reader([fd = link->far.get()] { discard(fd); });
  const Nanoseconds begun = now_ns();
  pid_t pid = 0;
  const auto from = start_writer(bytes, pid);
  bool copied = false;
  if (from)
    copied = how == CopyHow::splice ? copy_by_splice(from->get(), link->near.get())
                                    : copy_by_read_and_write(from->get(), link->near.get());
  const Error error = failed("copy");
  shutdown(link->near.get(), SHUT_WR);
  reader.join();
  const double took = seconds(now_ns() - begun);
  if (!from) return from.error();
  waitpid(pid, nullptr, 0);
  if (!copied) return error;
  return BareCopyResult{static_cast<double>(bytes) / 1e6 / took};
}

Result<BareCopyResult> measure_bare_feed(std::uint64_t bytes) {
  auto link = connect_to_self();
  RUNWIRE_TRY(link);
  for (const int fd : {link->near.get(), link->far.get()}) fcntl(fd, F_SETFD, FD_CLOEXEC);
  const Nanoseconds begun = now_ns();
  pid_t pid = 0;
  auto to = start_counter(pid);
  RUNWIRE_TRY(to);
  std::thread sender([fd = link->far.get(), bytes] { send_zeros(fd, bytes); });
  const bool copied = copy_by_read_and_write(link->near.get(), to->get());
  const Error error = failed("copy");
  to->reset();
  if (!copied) shutdown(link->near.get(), SHUT_RDWR);
  sender.join();
  waitpid(pid, nullptr, 0);
  if (!copied) return error;
  return BareCopyResult{static_cast<double>(bytes) / 1e6 / seconds(now_ns() - begun)};
}

}  // namespace runwire
