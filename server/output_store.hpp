// What all output logs share: the memory they may use together, the directory for what does not fit, and the
// few buffers through which bytes go to disk.
#pragma once

#include <uv.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/memory_budget.hpp"
#include "server/spill_file.hpp"
#include "server/uv_handle.hpp"

namespace runwire {

inline constexpr std::size_t kReadBytes = 64 * 1024;  // a pipe's default capacity (pipe(7))
// One read takes all that a pipe holds and, where it is handed on, does not fill its room, so that libuv does not ask
// again before others have had their turn.
inline constexpr std::size_t kWidePipeBytes =
    256 * 1024;  // the capacity given to a pipe through which much comes ...
inline constexpr std::size_t kWidePipes =
    4;  // ... to so many: where there are more, a turn must not take longer
inline constexpr std::size_t kWidePipesOfStreams = 2;  // of those, not for output that is kept to the end
inline constexpr std::size_t kRelayBytes = kWidePipeBytes + kReadBytes;
inline constexpr std::size_t kStreamMemoryBytes = 1 << 20;   // of one stream; the rest spills
inline constexpr std::size_t kOutputMemoryBytes = 32 << 20;  // of all streams together
inline constexpr std::size_t kSmallOutputBytes = 64 * 1024;
inline constexpr std::size_t kSmallOutputReserveBytes = 8
                                                        << 20;  // of those, for streams that are still small
inline constexpr std::size_t kSpillBufferBytes = 256 * 1024;
inline constexpr std::size_t kSpillBuffers = 8;  // at most: libuv's pool has four threads

class OutputStore {
 public:
  OutputStore(uv_loop_t* loop, std::string spill_dir, std::size_t spill_buffers = kSpillBuffers);
  OutputStore(const OutputStore&) = delete;
  OutputStore& operator=(const OutputStore&) = delete;

  uv_loop_t* loop() const { return loop_; }
  MemoryBudget& memory() { return memory_; }
  MemoryBudget& pipe_memory() { return pipe_memory_; }  // the kernel's, for wide pipes
  const std::string& spill_dir() const { return spill_dir_; }

  // Scratch for one read, kRelayBytes; its content lasts until the callback of that read returns.
  char* scratch() { return scratch_.get(); }

  // A buffer of kSpillBufferBytes, back in the pool when its last owner lets go, which may be after the store's
  // death; null when all are in use.
  SpillFile::Buffer take_buffer();

  // `retry` is called once, in a later turn and in the order of the calls, when a buffer is free; it need not
  // take one. `waiter` names it for forget(). Who has not been told should take none while others wait.
  void wait_for_buffer(const void* waiter, std::function<void()> retry);
  void forget(const void* waiter);
  bool has_waiters() const { return !waiters_.empty(); }

 private:
  struct Waiter {
    const void* who;
    std::function<void()> retry;
  };
  void put_back(char* buffer);
  void wake_waiters();

  uv_loop_t* loop_;
  std::string spill_dir_;
  const std::size_t spill_buffers_;
  MemoryBudget memory_{kOutputMemoryBytes};
  MemoryBudget pipe_memory_{kWidePipes * kWidePipeBytes};
  // Not touched before it is used: an idle daemon has no page of it.
  const std::unique_ptr<char[]> scratch_ = std::make_unique_for_overwrite<char[]>(kRelayBytes);
  std::size_t lent_ = 0;
  std::vector<std::unique_ptr<char[]>> free_;  // kept: fresh memory would be paged in again for every buffer
  std::deque<Waiter> waiters_;
  AfterTurn wake_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // lent buffers hold it weakly
};

// As many as this machine has processors, but two at least. With more, large outputs beside each other take the
// processors from the loop and from small commands.
std::size_t spill_buffers();

}  // namespace runwire
