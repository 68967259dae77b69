#include "client/pending_connection.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>

#include "client/detached_thread.hpp"
#include "client/server_connection.hpp"
#include "client/unique_fd.hpp"

namespace runwire {

// Shared by the thread that connects and the one that waits, because either may be the first to leave.
struct PendingConnection::Attempt {
  Status open_pipe() {
    int ends[2];
    if (::pipe(ends) < 0) return Error{Errc::io, std::string("pipe: ") + std::strerror(errno)};
    read_end.reset(ends[0]);
    write_end.reset(ends[1]);
    for (const int fd : ends) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    return Ok{};
  }
  void end(Result<Channel> what) {
    const std::lock_guard<std::mutex> lock(mutex);
    result.emplace(std::move(what));
    write_end.reset();  // which the other end shows
  }

  std::mutex mutex;
  std::optional<Result<Channel>> result;
  UniqueFd read_end, write_end;
};

PendingConnection::PendingConnection(const Address& address, bool own_server_only,
                                     std::chrono::milliseconds timeout)
    : attempt_(std::make_shared<Attempt>()) {
  Status begun = attempt_->open_pipe();
  if (begun)
    begun = start_detached([attempt = attempt_, address, own_server_only, timeout] {
      attempt->end(connect_to_server(address, own_server_only, timeout));
    });
  if (!begun) attempt_->end(begun.error());
}

int PendingConnection::fd() const { return attempt_->read_end.get(); }

std::optional<Result<Channel>> PendingConnection::take() {
  const std::lock_guard<std::mutex> lock(attempt_->mutex);
  return std::exchange(attempt_->result, std::nullopt);
}

}  // namespace runwire
