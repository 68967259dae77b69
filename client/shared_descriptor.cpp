#include "client/shared_descriptor.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace runwire {
namespace {

#ifdef MSG_NOSIGNAL
constexpr int kSendFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
#else
constexpr int kSendFlags = MSG_DONTWAIT;  // the program ignores SIGPIPE
#endif

bool has_ready(int fd, short events) {
  pollfd watched = {fd, events, 0};
  return ::poll(&watched, 1, 0) > 0;
}

// A signal that came meanwhile is for whoever waits: he is to look after it before the call is made again.
SharedDescriptor::Moved moved_by(ssize_t n) {
  if (n >= 0) return {static_cast<std::size_t>(n), 0};
  return {0, errno == EINTR || errno == EWOULDBLOCK ? EAGAIN : errno};
}

bool is_refused(const SharedDescriptor::Moved& moved) {
  return moved.error == EOPNOTSUPP || moved.error == EINVAL || moved.error == ENOSYS || moved.error == ESPIPE;
}

#ifdef RWF_NOWAIT
SharedDescriptor::Moved read_without_waiting(int fd, char* buffer, std::size_t size) {
  const iovec part = {buffer, size};
  return moved_by(::preadv2(fd, &part, 1, -1, RWF_NOWAIT));
}

SharedDescriptor::Moved write_without_waiting(int fd, std::string_view bytes) {
  const iovec part = {const_cast<char*>(bytes.data()), bytes.size()};  // pwritev2(2) does not write there
  return moved_by(::pwritev2(fd, &part, 1, -1, RWF_NOWAIT));
}
#else
SharedDescriptor::Moved read_without_waiting(int, char*, std::size_t) { return {0, EOPNOTSUPP}; }
SharedDescriptor::Moved write_without_waiting(int, std::string_view) { return {0, EOPNOTSUPP}; }
#endif

// A terminal with room for one byte lets who writes more wait for the rest. Source: libuv's uv_tty_init. Empty where it
// can't be: it is of another user after su.
UniqueFd open_again(int terminal) {
  char path[PATH_MAX];
  if (::ttyname_r(terminal, path, sizeof path) != 0) return {};
  return UniqueFd(::open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

}  // namespace

SharedDescriptor::SharedDescriptor(int fd) : fd_(fd), kind_(Kind::file) {
  struct stat what = {};
  if (::fstat(fd, &what) < 0) return;  // the first use will tell
  if (S_ISSOCK(what.st_mode)) kind_ = Kind::socket;
  if (S_ISFIFO(what.st_mode)) kind_ = Kind::stream;
  if (::isatty(fd) != 1) return;
  kind_ = Kind::stream;
  own_ = open_again(fd);
}

SharedDescriptor::Moved SharedDescriptor::read_now(char* buffer, std::size_t size) {
  if (kind_ == Kind::socket) return moved_by(::recv(fd_, buffer, size, MSG_DONTWAIT));
  if (kind_ == Kind::stream && can_refuse_to_wait_) {
    const Moved moved = read_without_waiting(fd_, buffer, size);
    if (!is_refused(moved)) return moved;
    can_refuse_to_wait_ = false;
  }
  if (kind_ == Kind::stream && !has_ready(fd_, POLLIN)) return {0, EAGAIN};
  return moved_by(::read(fd_, buffer, size));
}

SharedDescriptor::Moved SharedDescriptor::write_now(std::string_view bytes) {
  switch (kind_) {
    case Kind::socket:
      return moved_by(::send(fd_, bytes.data(), bytes.size(), kSendFlags));
    case Kind::stream:
      return write_stream(bytes);
    case Kind::file:
      break;
  }
  return moved_by(::write(fd_, bytes.data(), bytes.size()));
}

SharedDescriptor::Moved SharedDescriptor::write_stream(std::string_view bytes) {
  if (own_) return moved_by(::write(own_.get(), bytes.data(), bytes.size()));
  if (can_refuse_to_wait_) {
    const Moved moved = write_without_waiting(fd_, bytes);
    if (!is_refused(moved)) return moved;
    can_refuse_to_wait_ = false;
  }
  if (!has_ready(fd_, POLLOUT)) return {0, EAGAIN};
  // A pipe with room at all has room for so much (POSIX); for more it would let us wait.
  return moved_by(::write(fd_, bytes.data(), std::min<std::size_t>(bytes.size(), PIPE_BUF)));
}

}  // namespace runwire
