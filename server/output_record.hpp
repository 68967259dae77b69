// One stream of a command that several clients may read, now and later, each from a place of its own: bytes by their
// place in the stream, first in memory, then on disk, and what happens when there is no more room.
//
// The bytes from begin() to end() are there. They lie in blocks of kBlockBytes by their place; a block is in memory, on
// its way to disk, or on disk.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "proto/session_words.hpp"
#include "server/spill_arena.hpp"

namespace runwire {

inline constexpr std::uint64_t kRecordBytes = 1 << 20;  // of a stream under `block` and `drop`
inline constexpr std::size_t kRecordMemoryBytes = 256
                                                  << 10;  // of a stream under `spill`; the rest goes to disk

class RecordCursor;

class OutputRecord {
 public:
  // `capacity`: the bytes that are kept of the stream at the same time. `on_room` is called in a later turn after room()
  // has said 0, when it would not any more. REQUIRES: what is passed by reference outlives the record, and the record its
  // cursors.
  OutputRecord(OutputStore& store, SpillArena& arena, Full full, std::uint64_t capacity,
               std::function<void()> on_room);
  OutputRecord(const OutputRecord&) = delete;
  OutputRecord& operator=(const OutputRecord&) = delete;

  // How many bytes may be appended now. Under `drop` it is never 0. Under `block` and `spill` bytes make room only when
  // every cursor has acknowledged them, and there is one.
  std::size_t room();
  void append(std::string_view bytes);  // REQUIRES: no more than room()
  // Nothing comes any more: cursors at the end are told, and of memory only what is needed is kept.
  void finish();

  std::uint64_t begin() const;  // place of the oldest byte that is there
  std::uint64_t end() const;    // place of the next one that comes
  bool is_finished() const;

 private:
  friend class RecordCursor;
};

// One reader's place in a record. While it lives it holds up a command that may not go ahead of its readers.
class RecordCursor {
 public:
  // From `place` on, or from the record's end where that is smaller. `on_ready` is called in a later turn after peek()
  // has found nothing, when it would find something, or the record is finished.
  RecordCursor(OutputRecord& record, std::uint64_t place, std::function<void()> on_ready);
  ~RecordCursor();
  RecordCursor(const RecordCursor&) = delete;
  RecordCursor& operator=(const RecordCursor&) = delete;

  struct Range {
    std::uint64_t from, to;
  };
  // Bytes that were given up before they were read; the cursor goes on behind them. To be asked before each peek().
  std::optional<Range> take_gap();
  // What lies at place(), as much of it as is together; valid until the record or the cursor is next used. Empty at the
  // end, and while it is fetched from disk.
  std::string_view peek();
  void advance(std::size_t bytes);  // REQUIRES: no more than peek() gave
  // All before `place` has reached its reader. REQUIRES: place <= place().
  void acknowledge(std::uint64_t place);

  std::uint64_t place() const;
  std::uint64_t acknowledged() const;
  bool is_at_end() const;  // all there is has been read
  bool holds_up() const;   // the command waits for room that this cursor could give
};

}  // namespace runwire
