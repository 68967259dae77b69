#include "server/output_store.hpp"

#include <algorithm>
#include <utility>

namespace runwire {

OutputStore::OutputStore(uv_loop_t* loop, std::string spill_dir, std::size_t spill_buffers)
    : loop_(loop),
      spill_dir_(std::move(spill_dir)),
      spill_buffers_(spill_buffers),
      wake_(loop, [this] { wake_waiters(); }) {}

SpillFile::Buffer OutputStore::take_buffer() {
  if (lent_ == spill_buffers_) return nullptr;
  ++lent_;
  std::unique_ptr<char[]> memory;
  if (free_.empty()) {
    memory.reset(new char[kSpillBufferBytes]);
  } else {
    memory = std::move(free_.back());
    free_.pop_back();
  }
  return {memory.release(), [this, store = std::weak_ptr<bool>(alive_)](char* buffer) {
            if (store.expired())
              delete[] buffer;
            else
              put_back(buffer);
          }};
}

void OutputStore::put_back(char* buffer) {
  free_.emplace_back(buffer);
  --lent_;
  if (!waiters_.empty()) wake_.arm();
}

// Who is woken may have no use for a buffer any more, and takes one only when bytes are there to be read. So as
// long as buffers are free the next ones are woken, turn by turn, until nobody waits.
void OutputStore::wake_waiters() {
  for (std::size_t free = spill_buffers_ - lent_; free > 0 && !waiters_.empty(); --free) {
    const auto retry = std::move(waiters_.front().retry);
    waiters_.pop_front();
    retry();
  }
  if (lent_ < spill_buffers_ && !waiters_.empty()) wake_.arm();
}

void OutputStore::wait_for_buffer(const void* waiter, std::function<void()> retry) {
  waiters_.push_back({waiter, std::move(retry)});
  if (lent_ < spill_buffers_) wake_.arm();
}

void OutputStore::forget(const void* waiter) {
  if (waiters_.empty()) return;  // nearly always
  std::erase_if(waiters_, [waiter](const Waiter& waiting) { return waiting.who == waiter; });
}

std::size_t spill_buffers() { return std::clamp<std::size_t>(uv_available_parallelism(), 2, kSpillBuffers); }

}  // namespace runwire
