#include "server/output_record.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <utility>

#include "server/log.hpp"

namespace runwire {
namespace {

constexpr std::size_t kSmallFetchBytes = 16 * 1024;  // where all streams together hold too much already

std::uint64_t block_of(std::uint64_t place) { return place / kBlockBytes; }
std::uint64_t block_end(std::uint64_t number) { return (number + 1) * kBlockBytes; }

}  // namespace

OutputRecord::OutputRecord(OutputStore& store, SpillArena& arena, Full full, std::uint64_t capacity,
                           std::function<void()> on_room)
    : store_(store),
      arena_(arena),
      full_(full),
      capacity_(capacity),
      on_room_(std::move(on_room)),
      memory_(store.memory()) {}

OutputRecord::OutputRecord(OutputStore& store, SpillArena& arena, Full full, std::uint64_t capacity,
                           std::function<void()> on_room, Image image)
    : OutputRecord(store, arena, full, capacity, std::move(on_room)) {
  begin_ = image.begin;
  end_ = image.end;
  acknowledged_ = image.acknowledged;
  is_finished_ = image.is_finished;
  first_unpaged_ = block_of(begin_);
  std::uint64_t number = first_unpaged_;
  for (auto& lies : image.blocks) {
    Block& block = blocks_[number++];
    if (const auto* disk = std::get_if<SpillArena::Block>(&lies)) {
      block.disk = arena_.hold(*disk);
      first_unpaged_ = number;
    } else {
      block.bytes = std::make_shared<std::string>(std::move(std::get<std::string>(lies)));
      draw(block.bytes->size());
    }
  }
  page_out();
}

OutputRecord::~OutputRecord() {
  assert(cursors_.empty());
  if (is_waiting_for_disk_) arena_.forget(this);
}

OutputRecord::Image OutputRecord::image() const {
  assert(is_idle());
  Image image{begin_, end_, acknowledged(), is_finished_, {}};
  for (const auto& [number, block] : blocks_) {
    if (block.bytes)
      image.blocks.emplace_back(*block.bytes);
    else
      image.blocks.emplace_back(*block.disk);
  }
  return image;
}

std::size_t OutputRecord::room() {
  if (full_ == Full::drop) return static_cast<std::size_t>(std::min(capacity_, kRecordBytes));
  const std::size_t room = find_room();
  if (room == 0) is_stalled_ = true;
  return room;
}

void OutputRecord::widen(std::uint64_t bytes) {
  capacity_ += bytes;
  reconsider();
}

// Bytes are given up as late as can be, for whoever attaches then. Where memory is what lacks, disk comes first.
std::size_t OutputRecord::find_room() {
  if (held() >= capacity_) release();
  if (memory_room() == 0) {
    page_out();
    if (!is_writing_) release();
  }
  return static_cast<std::size_t>(
      std::min<std::uint64_t>(capacity_ - std::min(capacity_, held()), memory_room()));
}

// What lies in the oldest block and is not needed any more.
void OutputRecord::release() {
  const std::uint64_t place = std::min(acknowledged(), block_end(block_of(begin_)));
  if (place > begin_) give_up_to(std::min(place, end_));
}

std::uint64_t OutputRecord::acknowledged() const {
  if (cursors_.empty()) return acknowledged_;
  std::uint64_t least = end_;
  for (const RecordCursor* cursor : cursors_) least = std::min(least, cursor->acknowledged());
  return least;
}

void OutputRecord::give_up_to(std::uint64_t place) {
  begin_ = place;
  while (!blocks_.empty() && block_end(blocks_.begin()->first) <= begin_) {
    const auto oldest = blocks_.begin();
    if (oldest->second.bytes) return_memory(oldest->second.bytes->size());
    blocks_.erase(oldest);
  }
}

void OutputRecord::append(std::string_view bytes) {
  assert(!is_finished_);
  while (!bytes.empty()) {
    const std::size_t size = std::min(bytes.size(), kBlockBytes - end_ % kBlockBytes);
    if (full_ == Full::drop) drop_for(size);
    draw(size);
    tail(size).append(bytes.substr(0, size));
    end_ += size;
    bytes.remove_prefix(size);
  }
  page_out();
  tell_cursors();
}

// Room for so many bytes more, no more than the last block takes.
void OutputRecord::drop_for(std::size_t bytes) {
  if (held() + bytes > capacity_) give_up_to(end_ + bytes - capacity_);
  while (memory_room() < bytes) {
    page_out();
    if (memory_room() < bytes)
      give_up_to(std::min(end_, block_end(std::max(first_unpaged_, block_of(begin_)))));
  }
}

// The last block, with room for so many bytes. A command that says little costs little; one that has filled a block
// will probably fill the next one.
std::string& OutputRecord::tail(std::size_t wanted) {
  const auto [place, is_new] = blocks_.try_emplace(block_of(end_));
  auto& bytes = place->second.bytes;
  if (is_new) bytes = std::make_shared<std::string>();
  const std::size_t needed = bytes->size() + wanted;
  if (needed > bytes->capacity()) bytes->reserve(place->first > 0 ? kBlockBytes : std::bit_ceil(needed));
  return *bytes;
}

void OutputRecord::finish() {
  if (std::exchange(is_finished_, true)) return;
  is_stalled_ = false;
  if (!blocks_.empty() && end_ % kBlockBytes != 0) blocks_.rbegin()->second.bytes->shrink_to_fit();
  page_out();
  tell_cursors();
}

void OutputRecord::reconsider() {
  if (!is_stalled_ || is_room_due_ || find_room() == 0) return;
  is_room_due_ = true;
  if (!after_turn_) after_turn_.emplace(store_.loop(), [this] { tell_room(); });
  after_turn_->arm();
}

void OutputRecord::tell_room() {
  is_room_due_ = false;
  if (!std::exchange(is_stalled_, false)) return;
  const auto tell = on_room_;  // what it calls may end this object's life
  tell();
}

// What the budget grants. Streams that are still small are left something, as with output logs.
std::size_t OutputRecord::budget_room() const {
  const std::size_t left = store_.memory().left();
  const std::size_t small = memory_.held() < kSmallOutputBytes ? kSmallOutputBytes - memory_.held() : 0;
  return std::max(std::min(left, small), left - std::min(left, kSmallOutputReserveBytes));
}

// A block may be there beyond the budget, so that there always is progress, and one more that is on its way to disk.
std::size_t OutputRecord::memory_room() const {
  const std::size_t beyond = (is_writing_ ? 2 : 1) * kBlockBytes;
  const std::size_t granted = budget_room() + beyond - std::min(beyond, beyond_);
  if (full_ != Full::spill) return granted;
  const std::size_t most = kRecordMemoryBytes + kPagingMemoryBytes;
  return std::min(granted, most - std::min(most, memory()));
}

void OutputRecord::draw(std::size_t bytes) {
  const std::size_t granted = std::min(bytes, budget_room());
  if (memory_.extend(granted)) bytes -= granted;
  beyond_ += bytes;
}

void OutputRecord::return_memory(std::size_t bytes) {
  const std::size_t beyond = std::min(bytes, beyond_);
  beyond_ -= beyond;
  memory_.give_back(bytes - beyond);
}

bool OutputRecord::wants_disk() const {
  if (is_finished_) return memory() > kFinishedMemoryBytes;
  return beyond_ > 0 || (full_ == Full::spill && memory() > kRecordMemoryBytes);
}

// The oldest block, if it is whole, one at a time.
void OutputRecord::page_out() {
  if (is_writing_ || !wants_disk()) return;
  const auto oldest = blocks_.lower_bound(first_unpaged_);
  if (oldest == blocks_.end() || (oldest->second.bytes->size() < kBlockBytes && !is_finished_)) return;
  const auto taken = arena_.take();
  if (!taken) return wait_for_disk();
  is_writing_ = true;
  arena_.write(*taken, oldest->second.bytes,
               [this, alive = std::weak_ptr<bool>(alive_), number = oldest->first,
                disk = arena_.hold(*taken)](ssize_t written) {
                 if (!alive.expired()) on_written(number, disk, written);
               });
}

void OutputRecord::wait_for_disk() {
  if (std::exchange(is_waiting_for_disk_, true)) return;
  arena_.wait_for_block(this, [this] {
    is_waiting_for_disk_ = false;
    page_out();
    reconsider();
  });
}

void OutputRecord::on_written(std::uint64_t number, const SpillArena::Hold& disk, ssize_t written) {
  is_writing_ = false;
  const auto block = blocks_.find(number);  // unless it was given up meanwhile
  if (written >= 0 && block != blocks_.end()) {
    return_memory(block->second.bytes->size());
    block->second = {nullptr, disk};
    first_unpaged_ = number + 1;
  }
  page_out();
  reconsider();
}

void OutputRecord::enter(RecordCursor& cursor) {
  cursors_.push_back(&cursor);
  reconsider();
}

void OutputRecord::leave(RecordCursor& cursor) {
  std::erase(cursors_, &cursor);
  if (cursors_.empty()) acknowledged_ = std::max(acknowledged_, cursor.acknowledged());
  reconsider();
}

void OutputRecord::tell_cursors() {
  for (RecordCursor* cursor : cursors_) cursor->record_changed();
}

RecordCursor::RecordCursor(OutputRecord& record, std::uint64_t place, std::function<void()> on_ready)
    : record_(record),
      place_(std::min(place, record.end())),
      acknowledged_(place_),
      on_ready_(std::move(on_ready)),
      piece_memory_(record.store_.memory()),
      after_turn_(record.store_.loop(), [this] { tell(); }) {
  record_.enter(*this);
}

RecordCursor::~RecordCursor() { record_.leave(*this); }

std::optional<RecordCursor::Range> RecordCursor::take_gap() {
  const std::uint64_t to = std::max(record_.begin(), unreadable_to_);
  if (place_ >= to) return std::nullopt;
  drop_piece();
  return Range{std::exchange(place_, to), to};
}

std::string_view RecordCursor::peek() {
  if (place_ == record_.end()) {
    is_waiting_ = !record_.is_finished();
    return {};
  }
  assert(place_ >= record_.begin());
  const auto& block = record_.blocks_.find(block_of(place_))->second;
  is_waiting_ = false;
  if (block.bytes) return std::string_view(*block.bytes).substr(place_ % kBlockBytes);
  if (place_ >= piece_from_ && place_ < piece_to_)
    return {piece_.get() + (place_ - piece_from_), static_cast<std::size_t>(piece_to_ - place_)};
  is_waiting_ = true;
  if (!is_fetching_) fetch(block.disk);
  return {};
}

void RecordCursor::advance(std::size_t bytes) {
  place_ += bytes;
  assert(place_ <= record_.end());
  if (place_ >= piece_to_) drop_piece();
}

void RecordCursor::acknowledge(std::uint64_t place) {
  assert(place <= place_);
  acknowledged_ = std::max(acknowledged_, place);
  record_.reconsider();
}

// Room comes from the oldest bytes, unless it is memory that lacks and some is on its way to disk.
bool RecordCursor::holds_up() const {
  const bool waits_for_disk = record_.is_writing_ && record_.held() < record_.capacity_;
  const bool is_waited_for = record_.is_stalled_ && !record_.is_room_due_ && !waits_for_disk;
  return is_waited_for && acknowledged_ <= record_.begin();
}

// The block stays where it is until the thread is done, even where record and cursor are gone by then.
void RecordCursor::fetch(const SpillArena::Hold& disk) {
  drop_piece();
  const std::uint64_t end = std::min(record_.end(), block_end(block_of(place_)));
  auto size = static_cast<std::size_t>(end - place_);
  if (!piece_memory_.extend(size)) size = std::min(size, kSmallFetchBytes);
  piece_.reset(new char[size]);
  is_fetching_ = true;
  record_.arena_.read(*disk, place_ % kBlockBytes, size, piece_,
                      [this, alive = std::weak_ptr<bool>(alive_), from = place_, size, disk](ssize_t count) {
                        if (!alive.expired()) on_read(from, size, count);
                      });
}

void RecordCursor::on_read(std::uint64_t from, std::size_t wanted, ssize_t count) {
  is_fetching_ = false;
  if (count > 0) {
    piece_from_ = from;
    piece_to_ = from + static_cast<std::uint64_t>(count);
  } else {
    log::error("spill-unreadable")
        .add("cause", count < 0 ? uv_strerror(static_cast<int>(count)) : "file is short");
    unreadable_to_ = from + wanted;
  }
  tell();
}

void RecordCursor::drop_piece() {
  if (is_fetching_) return;
  piece_.reset();
  piece_from_ = piece_to_ = 0;
  piece_memory_.give_back(piece_memory_.held());
}

void RecordCursor::record_changed() {
  if (is_waiting_ && !is_fetching_) after_turn_.arm();
}

void RecordCursor::tell() {
  if (!is_waiting_ || is_fetching_ || (is_at_end() && !record_.is_finished())) return;
  is_waiting_ = false;
  const auto tell_ready = on_ready_;  // what it calls may end this object's life
  tell_ready();
}

}  // namespace runwire
