// One stream of a command that several clients may read, now and later, each from a place of its own: bytes by their
// place in the stream, first in memory, then on disk, and what happens when there is no more room.
//
// The bytes from begin() to end() are there. They lie in blocks of kBlockBytes by their place; a block is in memory, on
// its way to disk, or on disk.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proto/session_words.hpp"
#include "server/spill_arena.hpp"

namespace runwire {

inline constexpr std::uint64_t kRecordBytes = 1 << 20;  // of a stream under `block` and `drop`
inline constexpr std::size_t kRecordMemoryBytes =
    256 << 10;  // of a stream under `spill`; the rest goes to disk ...
inline constexpr std::size_t kPagingMemoryBytes = 256 << 10;  // ... and so much more may be on its way there
inline constexpr std::size_t kFinishedMemoryBytes =
    4 * 1024;  // of a stream that has ended, where there is disk

class RecordCursor;

class OutputRecord {
 public:
  // What there is to be known of a record, for another one to go on from.
  struct Image {
    std::uint64_t begin = 0, end = 0;
    std::uint64_t acknowledged = 0;
    bool is_finished = false;
    // All from the one that `begin` lies in to the one that `end` lies in, each from its own first byte on.
    std::vector<std::variant<SpillArena::Block, std::string>> blocks;
  };

  // `capacity`: the bytes that are kept of the stream at the same time. `on_room` is called in a later turn after
  // room() has said 0, when it would not any more; it may end the record's life. REQUIRES: capacity > 0; what is passed
  // by reference outlives the record, and the record its cursors.
  OutputRecord(OutputStore& store, SpillArena& arena, Full full, std::uint64_t capacity,
               std::function<void()> on_room);
  // REQUIRES: the arena knows the image's blocks to be in use; they are this record's from now on.
  OutputRecord(OutputStore& store, SpillArena& arena, Full full, std::uint64_t capacity,
               std::function<void()> on_room, Image image);
  ~OutputRecord();
  OutputRecord(const OutputRecord&) = delete;
  OutputRecord& operator=(const OutputRecord&) = delete;

  // How many bytes may be appended now. Under `drop` it is never 0. Under `block` and `spill` bytes make room only when
  // every cursor has acknowledged them; while there is none, those that had been acknowledged when the last one went.
  std::size_t room();
  void widen(std::uint64_t bytes);      // so many more are kept
  void append(std::string_view bytes);  // REQUIRES: no more than room()
  // Nothing comes any more: cursors at the end are told, and of memory only what is needed is kept.
  void finish();

  std::uint64_t begin() const { return begin_; }  // place of the oldest byte that is there
  std::uint64_t end() const { return end_; }      // place of the next one that comes
  bool is_finished() const { return is_finished_; }

  bool is_idle() const { return !is_writing_; }  // nothing is on its way to disk
  Image image() const;                           // REQUIRES: is_idle()

 private:
  friend class RecordCursor;
  struct Block {
    std::shared_ptr<std::string> bytes;  // from the block's first place on; null when it lies on disk
    SpillArena::Hold disk;
  };
  using Blocks = std::map<std::uint64_t, Block>;  // by place / kBlockBytes

  std::uint64_t held() const { return end_ - begin_; }
  std::uint64_t acknowledged() const;  // all before it may be given up
  std::size_t find_room();
  void release();
  void drop_for(std::size_t bytes);
  void give_up_to(std::uint64_t place);
  void reconsider();
  void tell_room();
  std::string& tail(std::size_t wanted);

  std::size_t memory() const { return memory_.held() + beyond_; }
  std::size_t budget_room() const;
  std::size_t memory_room() const;
  void draw(std::size_t bytes);
  void return_memory(std::size_t bytes);

  bool wants_disk() const;
  void page_out();
  void wait_for_disk();
  void on_written(std::uint64_t number, const SpillArena::Hold& disk, ssize_t written);

  void enter(RecordCursor& cursor);
  void leave(RecordCursor& cursor);
  void tell_cursors();

  OutputStore& store_;
  SpillArena& arena_;
  const Full full_;
  std::uint64_t capacity_;
  std::function<void()> on_room_;

  std::uint64_t begin_ = 0, end_ = 0;
  bool is_finished_ = false;
  Blocks blocks_;  // those on disk come first
  MemoryLease memory_;
  std::size_t beyond_ = 0;           // bytes in memory that the budget did not grant
  std::uint64_t first_unpaged_ = 0;  // no block before it is in memory
  bool is_writing_ = false;
  bool is_waiting_for_disk_ = false;

  std::vector<RecordCursor*> cursors_;
  std::uint64_t acknowledged_ = 0;  // by all cursors there were
  bool is_stalled_ = false;         // room() has said 0, and on_room_ has not been called since ...
  bool is_room_due_ = false;        // ... but will be
  std::optional<AfterTurn> after_turn_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // writes hold it weakly
};

// One reader's place in a record. While it lives it holds up a command that may not go ahead of its readers.
class RecordCursor {
 public:
  // From `place` on, or from the record's end where that is smaller. `on_ready` is called in a later turn after peek()
  // has found nothing, when it would find something, or the record is finished; it may end the cursor's life.
  RecordCursor(OutputRecord& record, std::uint64_t place, std::function<void()> on_ready);
  ~RecordCursor();
  RecordCursor(const RecordCursor&) = delete;
  RecordCursor& operator=(const RecordCursor&) = delete;

  struct Range {
    std::uint64_t from, to;
  };
  // Bytes that were given up before they were read, or that the disk does not give back; the cursor goes on behind
  // them. To be asked before each peek().
  std::optional<Range> take_gap();
  // What lies at place(), as much of it as is together; valid until the record or the cursor is next used. Empty at the
  // end, and while it is fetched from disk.
  std::string_view peek();
  void advance(std::size_t bytes);  // REQUIRES: no more than peek() gave
  // All before `place` has reached its reader. REQUIRES: place <= place().
  void acknowledge(std::uint64_t place);

  std::uint64_t place() const { return place_; }
  std::uint64_t acknowledged() const { return acknowledged_; }
  bool is_at_end() const { return place_ == record_.end(); }  // all there is has been read
  bool holds_up() const;  // the command waits for room that this cursor could give

 private:
  friend class OutputRecord;
  void fetch(const SpillArena::Hold& disk);
  void on_read(std::uint64_t from, std::size_t wanted, ssize_t count);
  void drop_piece();
  void record_changed();
  void tell();

  OutputRecord& record_;
  std::uint64_t place_;
  std::uint64_t acknowledged_;
  std::uint64_t unreadable_to_ = 0;
  std::function<void()> on_ready_;
  bool is_waiting_ = false;  // peek() has found nothing, and on_ready_ has not been called since

  bool is_fetching_ = false;
  SpillFile::Buffer piece_;  // what has been read from disk
  std::uint64_t piece_from_ = 0, piece_to_ = 0;
  MemoryLease piece_memory_;
  AfterTurn after_turn_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // reads hold it weakly
};

}  // namespace runwire
