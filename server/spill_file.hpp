// An unlinked temporary file that holds output which memory should not. Written and read in libuv's thread pool,
// because a busy disk would otherwise stop the loop, and with it every client.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "proto/result.hpp"

namespace runwire {

class SpillFile {
 public:
  // Opens a new file in `dir`, without a name and so gone with its last descriptor (open(2), O_TMPFILE).
  // ERRORS: Errc::io.
  static Result<SpillFile> create(uv_loop_t* loop, const std::string& dir);

  // Called once, in a later turn: the bytes moved, or a negative libuv error. Never called after the SpillFile
  // has died; `bytes` and `room` may be freed with it, because they are kept alive until the thread is done.
  using Done = std::function<void(ssize_t)>;
  using Buffer = std::shared_ptr<char[]>;

  void append(Buffer bytes, std::size_t size, Done done);
  void read(std::uint64_t offset, Buffer room, std::size_t size, Done done);

  std::uint64_t size() const { return size_; }  // bytes handed to append() so far

 private:
  struct Request;
  struct Descriptor;  // closed when neither the file nor a request needs it
  SpillFile(uv_loop_t* loop, std::shared_ptr<Descriptor> fd);
  std::unique_ptr<Request> make_request(Buffer buffer, std::size_t size, Done done);

  uv_loop_t* loop_;
  std::shared_ptr<Descriptor> fd_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // requests hold it weakly
  std::uint64_t size_ = 0;
};

// The directory for spill files when nobody names one: $TMPDIR, else /var/tmp, which is meant for large files
// and, unlike /tmp on many systems, is not memory (file-hierarchy(7)).
std::string default_spill_dir();

// An open file without a name in `dir`, for reading and writing; the caller closes it.
Result<int> open_unnamed_file(const std::string& dir);

}  // namespace runwire
