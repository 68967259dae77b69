#include "server/output_store.hpp"

#include <algorithm>
#include <utility>

namespace runwire {

OutputStore::OutputStore(uv_loop_t* loop, std::string spill_dir)
    : loop_(loop), spill_dir_(std::move(spill_dir)) {}

SpillFile::Buffer OutputStore::take_buffer() {
  if (lent_ == kSpillBuffers) return nullptr;
  ++lent_;
  std::unique_ptr<char[]> memory;
  if (free_.empty()) {
    memory.reset(new char[kSpillBufferBytes]);
  } else {
    memory = std::move(free_.back());
    free_.pop_back();
  }
  return {memory.release(), [this](char* buffer) { put_back(buffer); }};
}

void OutputStore::put_back(char* buffer) {
  free_.emplace_back(buffer);
  --lent_;
  if (waiters_.empty()) return;
  const auto retry = std::move(waiters_.front().retry);
  waiters_.pop_front();
  retry();
}

void OutputStore::wait_for_buffer(const void* waiter, std::function<void()> retry) {
  waiters_.push_back({waiter, std::move(retry)});
}

void OutputStore::forget(const void* waiter) {
  std::erase_if(waiters_, [waiter](const Waiter& waiting) { return waiting.who == waiter; });
}

}  // namespace runwire
