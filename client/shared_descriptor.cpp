#include "client/shared_descriptor.hpp"

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
constexpr int kSendFlags = MSG_DONTWAIT;  // SIGPIPE is ignored while a command is relayed
#endif

bool has_ready(int fd, short events) {
  pollfd watched = {fd, events, 0};
  return ::poll(&watched, 1, 0) > 0;
}

// What a call that may have been interrupted did.
template <class Call> SharedDescriptor::Moved moved_by(Call call) {
  for (;;) {
    const ssize_t n = call();
    if (n >= 0) return {static_cast<std::size_t>(n), 0};
    if (errno == EWOULDBLOCK) return {0, EAGAIN};
    if (errno != EINTR) return {0, errno};
  }
}

bool is_refused(const SharedDescriptor::Moved& moved) {
  return moved.error == EOPNOTSUPP || moved.error == EINVAL || moved.error == ENOSYS || moved.error == ESPIPE;
}

#ifdef RWF_NOWAIT
SharedDescriptor::Moved read_without_waiting(int fd, char* buffer, std::size_t size) {
  const iovec part = {buffer, size};
  return moved_by([&] { return ::preadv2(fd, &part, 1, -1, RWF_NOWAIT); });
}

SharedDescriptor::Moved write_without_waiting(int fd, std::string_view bytes) {
  const iovec part = {const_cast<char*>(bytes.data()), bytes.size()};  // pwritev2(2) does not write there
  return moved_by([&] { return ::pwritev2(fd, &part, 1, -1, RWF_NOWAIT); });
}
#else
SharedDescriptor::Moved read_without_waiting(int, char*, std::size_t) { return {0, EOPNOTSUPP}; }
SharedDescriptor::Moved write_without_waiting(int, std::string_view) { return {0, EOPNOTSUPP}; }
#endif

}  // namespace

SharedDescriptor::SharedDescriptor(int fd) : fd_(fd), kind_(Kind::file) {
  struct stat what = {};
  if (::fstat(fd, &what) < 0) return;  // the first use will tell
  if (S_ISSOCK(what.st_mode)) kind_ = Kind::socket;
  if (S_ISFIFO(what.st_mode) || ::isatty(fd) == 1) kind_ = Kind::stream;
}

SharedDescriptor::Moved SharedDescriptor::read_now(char* buffer, std::size_t size) {
  if (kind_ == Kind::socket) return moved_by([&] { return ::recv(fd_, buffer, size, MSG_DONTWAIT); });
  if (kind_ == Kind::stream && can_refuse_to_wait_) {
    const Moved moved = read_without_waiting(fd_, buffer, size);
    if (!is_refused(moved)) return moved;
    can_refuse_to_wait_ = false;
  }
  if (kind_ == Kind::stream && !has_ready(fd_, POLLIN)) return {0, EAGAIN};
  return moved_by([&] { return ::read(fd_, buffer, size); });
}

SharedDescriptor::Moved SharedDescriptor::write_now(std::string_view bytes) {
  switch (kind_) {
    case Kind::socket:
      return moved_by([&] { return ::send(fd_, bytes.data(), bytes.size(), kSendFlags); });
    case Kind::stream:
      return write_stream(bytes);
    case Kind::file:
      break;
  }
  return moved_by([&] { return ::write(fd_, bytes.data(), bytes.size()); });
}

SharedDescriptor::Moved SharedDescriptor::write_stream(std::string_view bytes) {
  if (can_refuse_to_wait_) {
    const Moved moved = write_without_waiting(fd_, bytes);
    if (!is_refused(moved)) return moved;
    can_refuse_to_wait_ = false;
  }
  if (!has_ready(fd_, POLLOUT)) return {0, EAGAIN};
  // A pipe with room at all has room for so much (POSIX); for more it would let us wait.
  return moved_by([&] { return ::write(fd_, bytes.data(), std::min<std::size_t>(bytes.size(), PIPE_BUF)); });
}

}  // namespace runwire
