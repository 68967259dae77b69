// A Unix socket in the file system that nobody else can have prepared, replaced or opened.
#pragma once

#include <sys/types.h>
#include <sys/un.h>

#include <string>

#include "proto/result.hpp"

namespace runwire {

// A listening socket at `path`, of mode 0600 from its first moment; the path is removed when this dies, if it
// still names this socket.
//
// The directory must belong to this user or root, and must not be writable by others unless it is sticky. What
// stands at `path` already is replaced only if it is a socket of this user's to which nobody listens.
class SocketFile {
 public:
  static Result<SocketFile> listen(const std::string& path, int backlog);
  // The one that stands at `path` now, which another program of this process has made; its descriptor is elsewhere.
  static SocketFile take_over(const std::string& path);
  SocketFile(SocketFile&& other) noexcept;
  SocketFile& operator=(SocketFile&&) = delete;
  ~SocketFile();

  // The listening descriptor, non-blocking and close-on-exec; the receiver owns it. Once.
  int release_descriptor();

 private:
  SocketFile(std::string path, int fd);
  void remember_place();
  std::string path_;  // empty: moved from
  int fd_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// ERRORS: the path is longer than a socket's may be.
Result<sockaddr_un> socket_address(const std::string& path);

// Makes `dir` with mode 0700, or checks that it is this user's alone and no symbolic link.
Status make_private_dir(const std::string& dir);

}  // namespace runwire
