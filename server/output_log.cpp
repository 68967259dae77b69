#include "server/output_log.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace runwire {

OutputLog::OutputLog(OutputStore& store, std::function<void()> on_progress)
    : store_(store), on_progress_(std::move(on_progress)), memory_(store.memory()) {}

OutputLog::~OutputLog() { store_.forget(this); }

OutputLog::Room OutputLog::room(std::size_t want) {
  if (!failure_.empty()) return {store_.scratch(), std::min(want, kReadBytes)};
  if (!file_) {
    const std::size_t in_memory = std::min({want, kReadBytes, kStreamMemoryBytes - memory_.held()});
    // What large outputs may not take: a small one would have to wait behind them for a buffer, and for the disk.
    const std::size_t reserved = memory_.held() < kSmallOutputBytes ? 0 : kSmallOutputReserveBytes;
    if (in_memory > 0 && store_.memory().left() >= in_memory + reserved) return {store_.scratch(), in_memory};
    if (!open_file()) return {store_.scratch(), std::min(want, kReadBytes)};
  }
  if (!store_.has_waiters()) turn_left_ = kTurnBytes;
  if (!filling_ && turn_left_ > 0) filling_ = store_.take_buffer();
  if (!filling_ && !waiting_) {
    waiting_ = true;
    store_.wait_for_buffer(this, [this] {
      waiting_ = false;
      turn_left_ = kTurnBytes;
      tell_progress();
    });
  }
  if (!filling_) return {};
  return {filling_.get() + fill_, std::min(want, kSpillBufferBytes - fill_)};
}

void OutputLog::commit(std::size_t bytes) {
  if (!failure_.empty()) return;
  if (!file_) return append_to_memory(bytes);
  fill_ += bytes;
  turn_left_ -= std::min(turn_left_, bytes);
  if (fill_ == 0) filling_.reset();  // others may be waiting for it
  if (fill_ > 0 && !writing_) write_out();
}

void OutputLog::seal() {
  store_.forget(this);
  on_progress_ = [] {};
}

void OutputLog::append_to_memory(std::size_t bytes) {
  if (bytes == 0) return;
  const bool granted = memory_.extend(bytes);
  assert(granted);
  (void)granted;
  if (chunks_.empty() || chunks_.back().size() + bytes > kReadBytes) chunks_.emplace_back();
  chunks_.back().append(store_.scratch(), bytes);
}

bool OutputLog::open_file() {
  auto file = SpillFile::create(store_.loop(), store_.spill_dir());
  if (file)
    file_.emplace(std::move(*file));
  else
    fail(file.error().message);
  return file_.has_value();
}

void OutputLog::write_out() {
  writing_ = true;
  const std::size_t size = std::exchange(fill_, 0);
  file_->append(std::exchange(filling_, nullptr), size,
                [this, size](ssize_t written) { on_written(size, written); });
}

void OutputLog::on_written(std::size_t expected, ssize_t written) {
  writing_ = false;
  if (written != static_cast<ssize_t>(expected)) {
    const int error = written < 0 ? static_cast<int>(written) : UV_ENOSPC;
    fail("cannot write to a temporary file in " + store_.spill_dir() + ": " + uv_strerror(error) +
         "; free space there, or name another directory with --spill-dir");
  } else if (fill_ > 0) {
    write_out();
  }
  tell_progress();
}

// Whoever is told may seal the log, and so replace what is being called.
void OutputLog::tell_progress() const {
  const auto tell = on_progress_;
  tell();
}

void OutputLog::fail(std::string why) {
  failure_ = std::move(why);
  filling_.reset();
  fill_ = 0;
}

std::vector<std::string> OutputLog::take_memory() { return std::exchange(chunks_, {}); }

}  // namespace runwire
