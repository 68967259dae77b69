#include "server/spill_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "server/signals_blocked.hpp"

namespace runwire {

struct SpillFile::Descriptor {
  explicit Descriptor(int opened) : fd(opened) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(fd); }
  int fd;
};

struct SpillFile::Request {
  uv_fs_t fs{};
  std::shared_ptr<Descriptor> fd;
  std::weak_ptr<bool> file;
  Buffer buffer;
  uv_buf_t view{};
  Done done;

  static void on_done(uv_fs_t* fs) {
    std::unique_ptr<Request> request(static_cast<Request*>(fs->data));
    const ssize_t result = fs->result;
    uv_fs_req_cleanup(fs);
    if (!request->file.expired()) request->done(result);
  }
};

namespace {

Error cannot_create(const std::string& dir) {
  const int cause = errno;
  return {Errc::io,
          "cannot create a temporary file in " + dir + ": " + std::strerror(cause) +
              "; name another directory with --spill-dir",
          cause};
}

}  // namespace

Result<int> open_unnamed_file(const std::string& dir) {
#ifdef O_TMPFILE
  const int unnamed = open(dir.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (unnamed >= 0) return unnamed;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) return cannot_create(dir);
#endif
  std::string path = dir + "/runwire-XXXXXX";
  const int named = mkstemp(path.data());
  if (named < 0) return cannot_create(dir);
  unlink(path.c_str());
  fcntl(named, F_SETFD, FD_CLOEXEC);
  return named;
}

std::string default_spill_dir() {
  const char* chosen = std::getenv("TMPDIR");
  if (chosen != nullptr && *chosen != '\0') return chosen;
  return access("/var/tmp", W_OK) == 0 ? "/var/tmp" : "/tmp";
}

SpillFile::SpillFile(uv_loop_t* loop, std::shared_ptr<Descriptor> fd) : loop_(loop), fd_(std::move(fd)) {}

Result<SpillFile> SpillFile::create(uv_loop_t* loop, const std::string& dir) {
  auto fd = open_unnamed_file(dir);
  RUNWIRE_TRY(fd);
  return SpillFile(loop, std::make_shared<Descriptor>(*fd));
}

std::unique_ptr<SpillFile::Request> SpillFile::make_request(Buffer buffer, std::size_t size, Done done) {
  auto request = std::make_unique<Request>();
  request->fs.data = request.get();
  request->fd = fd_;
  request->file = alive_;
  request->view = uv_buf_init(buffer.get(), static_cast<unsigned>(size));
  request->buffer = std::move(buffer);
  request->done = std::move(done);
  return request;
}

void SpillFile::append(Buffer bytes, std::size_t size, Done done) {
  Request* request = make_request(std::move(bytes), size, std::move(done)).release();
  const SignalsBlocked for_its_threads;
  uv_fs_write(loop_, &request->fs, fd_->fd, &request->view, 1, static_cast<std::int64_t>(size_),
              Request::on_done);
  size_ += size;
}

void SpillFile::read(std::uint64_t offset, Buffer room, std::size_t size, Done done) {
  Request* request = make_request(std::move(room), size, std::move(done)).release();
  const SignalsBlocked for_its_threads;
  uv_fs_read(loop_, &request->fs, fd_->fd, &request->view, 1, static_cast<std::int64_t>(offset),
             Request::on_done);
}

}  // namespace runwire
