#include "server/socket_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

namespace runwire {
namespace {

constexpr const char* kNextStep = "; name another place with --listen unix:/path";

Error failed(const std::string& what, const std::string& path, const std::string& why) {
  return {Errc::io, what + " " + path + ": " + why + kNextStep};
}
Error failed_call(const std::string& what, const std::string& path) {
  return failed(what, path, std::strerror(errno));
}

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Who can write to the directory could put a socket of his own there, and get our clients' commands.
Status check_directory(const std::string& dir) {
  struct stat facts {};
  if (stat(dir.c_str(), &facts) != 0) return failed_call("socket directory", dir);
  if (!S_ISDIR(facts.st_mode)) return failed("socket directory", dir, "is not a directory");
  if (facts.st_uid != geteuid() && facts.st_uid != 0)
    return failed("socket directory", dir, "belongs to another user");
  const bool others_write = (facts.st_mode & (S_IWGRP | S_IWOTH)) != 0;
  if (others_write && (facts.st_mode & S_ISVTX) == 0)
    return failed("socket directory", dir, "others can write to it");
  return Ok{};
}

// One daemon at a time looks at the path and binds it. Held until closed.
class DirectoryLock {
 public:
  explicit DirectoryLock(const std::string& dir) : fd_(open(dir.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd_ >= 0) flock(fd_, LOCK_EX);
  }
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;
  ~DirectoryLock() {
    if (fd_ >= 0) close(fd_);
  }

 private:
  int fd_;
};

int open_socket() {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0) return fd;
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  return fd;
}

bool somebody_listens(const sockaddr_un& address) {
  const int fd = open_socket();
  const int answer = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const bool refused = answer != 0 && errno == ECONNREFUSED;
  close(fd);
  return !refused;
}

Status remove_dead_socket(const std::string& path, const sockaddr_un& address) {
  struct stat facts {};
  if (lstat(path.c_str(), &facts) != 0) return errno == ENOENT ? Status(Ok{}) : failed_call("socket", path);
  if (!S_ISSOCK(facts.st_mode)) return failed("socket", path, "something that is no socket stands there");
  if (facts.st_uid != geteuid()) return failed("socket", path, "a socket of another user stands there");
  if (somebody_listens(address)) return failed("socket", path, "another runwired listens there already");
  if (unlink(path.c_str()) != 0) return failed_call("socket", path);
  return Ok{};
}

int bind_privately(int fd, const sockaddr_un& address) {
  const mode_t inherited = umask(0177);
  const int error = bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  umask(inherited);
  return error;
}

}  // namespace

Result<sockaddr_un> socket_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return failed("socket", path,
                  "a socket's path may have " + std::to_string(sizeof address.sun_path - 1) + " bytes");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

Status make_private_dir(const std::string& dir) {
  if (mkdir(dir.c_str(), 0700) == 0) return Ok{};
  if (errno != EEXIST) return failed_call("socket directory", dir);
  struct stat facts {};
  if (lstat(dir.c_str(), &facts) != 0) return failed_call("socket directory", dir);
  if (!S_ISDIR(facts.st_mode)) return failed("socket directory", dir, "is not a directory");
  if (facts.st_uid != geteuid()) return failed("socket directory", dir, "belongs to another user");
  if ((facts.st_mode & 077) != 0)
    return failed("socket directory", dir, "is open to others; chmod it to 0700");
  return Ok{};
}

Result<SocketFile> SocketFile::listen(const std::string& path, int backlog) {
  auto address = socket_address(path);
  RUNWIRE_TRY(address);
  const std::string dir = parent_of(path);
  RUNWIRE_TRY(check_directory(dir));
  const DirectoryLock lock(dir);
  RUNWIRE_TRY(remove_dead_socket(path, *address));
  const int fd = open_socket();
  if (fd < 0) return failed_call("socket", path);
  SocketFile file(path, fd);
  if (bind_privately(fd, *address) != 0) return failed_call("bind", path);
  file.remember_place();
  if (file.inode_ == 0) return failed_call("socket", path);
  if (::listen(fd, backlog) != 0) return failed_call("listen", path);
  return file;
}

SocketFile SocketFile::take_over(const std::string& path) {
  SocketFile file(path, -1);
  file.remember_place();
  return file;
}

void SocketFile::remember_place() {
  struct stat facts {};
  if (lstat(path_.c_str(), &facts) != 0) return;
  device_ = facts.st_dev;
  inode_ = facts.st_ino;
}

SocketFile::SocketFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

SocketFile::SocketFile(SocketFile&& other) noexcept
    : path_(std::exchange(other.path_, {})),
      fd_(std::exchange(other.fd_, -1)),
      device_(other.device_),
      inode_(other.inode_) {}

SocketFile::~SocketFile() {
  if (fd_ >= 0) close(fd_);
  struct stat facts {};
  const bool still_ours = !path_.empty() && inode_ != 0 && lstat(path_.c_str(), &facts) == 0 &&
                          facts.st_dev == device_ && facts.st_ino == inode_;
  if (still_ours) unlink(path_.c_str());
}

int SocketFile::release_descriptor() { return std::exchange(fd_, -1); }

}  // namespace runwire
