// One stream's bytes, by their place in it: the first ones in memory, the rest in a spill file. Written by a
// pipe that reads straight into the room the log offers; read when the command is over.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "server/output_store.hpp"

namespace runwire {

inline constexpr std::size_t kTurnBytes =
    1 << 20;  // less costs more than it gives: others' pipes are full meanwhile

class OutputLog {
 public:
  // `on_progress` is called in a later turn when there is room again, when the log has become idle and when
  // it has failed. The store must outlive the log.
  OutputLog(OutputStore& store, std::function<void()> on_progress);
  ~OutputLog();
  OutputLog(const OutputLog&) = delete;
  OutputLog& operator=(const OutputLog&) = delete;

  struct Room {
    char* start = nullptr;
    std::size_t size = 0;  // 0: wait for on_progress
  };

  // Room for up to `want` bytes. Each call that gives room is followed by one commit() in the same turn.
  Room room(std::size_t want);
  void commit(std::size_t bytes);

  // The stream is over: the log waits for no room any more, and on_progress is not called again, so that the log
  // may outlive whoever gave it.
  void seal();

  std::uint64_t size() const { return memory_.held() + (file_ ? file_->size() : 0) + fill_; }
  // All bytes are where they can be read: nothing is on its way to disk.
  bool is_idle() const { return !writing_ && fill_ == 0; }
  // Cause and next step of a failed spill, or empty. A failed log goes on taking bytes and forgets them.
  const std::string& failure() const { return failure_; }

  // Reading, once the stream is over and the log idle. The chunks in memory come first, then the file.
  std::vector<std::string> take_memory();
  SpillFile* file() { return file_ ? &*file_ : nullptr; }

 private:
  void append_to_memory(std::size_t bytes);
  bool open_file();
  void write_out();
  void on_written(std::size_t expected, ssize_t written);
  void tell_progress() const;
  void fail(std::string why);

  OutputStore& store_;
  std::function<void()> on_progress_;
  MemoryLease memory_;
  std::vector<std::string> chunks_;
  std::optional<SpillFile> file_;
  SpillFile::Buffer filling_;  // takes the next bytes for the file
  std::size_t fill_ = 0;       // of filling_
  bool writing_ = false;       // one write is under way, in order
  bool waiting_ = false;       // room() said no and nobody has said yes since
  std::size_t turn_left_ =
      0;  // so much more goes to the file before others that wait for a buffer have theirs
  std::string failure_;
};

}  // namespace runwire
