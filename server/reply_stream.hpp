// Sends one reply, a frame: its head and what is in memory in one write, then what has spilled, piece by piece, no
// faster than the client reads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "server/byte_channel.hpp"
#include "server/job.hpp"

namespace runwire {

inline constexpr std::size_t kLargePieceBytes = 512 * 1024;  // each is a way to the thread pool and back
inline constexpr std::size_t kPieceBytes = 256 * 1024;       // where all clients together hold much
inline constexpr std::size_t kSmallPieceBytes =
    16 * 1024;  // where all clients together hold too much already
inline constexpr std::size_t kPlentyBytes = kOutputMemoryBytes / 2;  // left: pieces are large, and read ahead

enum class ReplyProgress {
  going,   // the channel is to drain, or a read is under way
  sent,    // all of it has left
  broken,  // the spilled output could not be read back: the frame can never be whole
};

class ReplyStream {
 public:
  // `wake` is called, in a later turn, when pump() should be called again; that call may destroy the ReplyStream.
  // `head` is the frame's length field and header, `result` what its payload is taken from.
  ReplyStream(std::string head, JobResult result, OutputStore& store, ByteChannel& channel,
              std::function<void()> wake);

  // Goes on as far as the channel takes bytes; to be called at first, when woken and when the channel has drained.
  ReplyProgress pump();

 private:
  enum class Stage { head, stdout_file, stderr_memory, stderr_file, sent };

  void send_head();
  bool send_file(OutputLog* log);
  bool has_plenty() const;
  bool may_read() const;
  void read_piece(SpillFile& file);
  void on_read(SpillFile::Buffer piece, ssize_t size);
  void advance();

  std::string head_;
  JobResult result_;
  ByteChannel& channel_;
  std::function<void()> wake_;
  Stage stage_ = Stage::head;
  std::uint64_t offset_ = 0;  // in the file of the present stage: read up to here
  bool is_reading_ = false;
  SpillFile::Buffer piece_;     // the last one read ...
  std::size_t piece_size_ = 0;  // ... and how much of it is still to be sent: all or nothing
  bool broken_ = false;
  OutputStore& store_;
  MemoryLease sent_memory_;  // of the piece on its way out
  MemoryLease read_memory_;  // of piece_, or of the one that is being read
};

}  // namespace runwire
