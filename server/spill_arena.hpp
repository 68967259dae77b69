// One unlinked file in blocks of one size, which holds what the output records of all kept commands cannot keep in
// memory. One file, however many commands are kept: descriptors are few, the disk is bounded as a whole, and what has
// been given up makes room for others.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "server/descriptor.hpp"
#include "server/output_store.hpp"

namespace runwire {

inline constexpr std::size_t kBlockBytes = 64 * 1024;
inline constexpr std::uint64_t kArenaPauseMs = 1000;  // before what failed is tried again
inline constexpr std::size_t kArenaRequests = 3;  // under way: libuv's pool has four threads, and other users

class SpillArena {
 public:
  using Block = std::uint32_t;
  // Given back when its last owner lets go, which may be after the arena's death.
  using Hold = std::shared_ptr<const Block>;
  // The bytes moved, or a negative libuv error; in a later turn, and not once the arena has died.
  using Done = std::function<void(ssize_t)>;

  // At most `max_bytes` of disk, in the store's spill directory. The file is made when a block is first taken.
  // REQUIRES: the store outlives the arena.
  SpillArena(OutputStore& store, std::uint64_t max_bytes);
  // One that goes on with the file of another; of its blocks only `used` are in use.
  SpillArena(OutputStore& store, std::uint64_t max_bytes, Descriptor file, const std::vector<Block>& used);
  ~SpillArena();
  SpillArena(const SpillArena&) = delete;
  SpillArena& operator=(const SpillArena&) = delete;

  // None while all are in use or the arena is held still, and for a while after the file could not be made or written:
  // failure() says why.
  std::optional<Block> take();
  void give_back(Block block);  // its place on disk is given back, too, where the file system can do that
  Hold hold(Block taken);

  // `bytes`, kBlockBytes at most, stay alive until the thread is done. What fails is said to `done`, for the caller
  // keeps its bytes until it has succeeded; a short write has failed. The block may not be given back before.
  void write(Block block, std::shared_ptr<const std::string> bytes, Done done);
  void read(Block block, std::size_t offset, std::size_t size, SpillFile::Buffer room, Done done);

  // `retry` is called in a later turn when a block has been given back, and in any case after a while, for what else
  // the waiter lacks may have come; once. `waiter` names it for forget(), and waits once at most.
  void wait_for_block(const void* waiter, std::function<void()> retry);
  void forget(const void* waiter);

  // Then nothing new begins that changes the file: what has been taken is still written, and is_idle() once that is
  // done, and for good. Who wants a block waits for it until the arena is let go.
  void hold_still(bool yes);

  const std::string& failure() const { return failure_; }  // of the last try, with what to do, or empty
  std::uint64_t bytes_in_use() const { return in_use_ * kBlockBytes; }
  int fd() const { return file_ ? file_->get() : -1; }               // -1 while there is no file
  bool is_idle() const { return under_way_ == 0 && !is_punching_; }  // no thread works on the file

 private:
  struct Request;
  struct Punch;
  struct Waiter {
    const void* who;
    std::function<void()> retry;
  };
  bool can_take() const;
  bool open_file();
  void fail(std::string why);
  void enqueue(std::unique_ptr<Request> request);
  void start_next();
  void on_moved(Request& request, ssize_t result);
  void punch();
  void on_punched(const std::vector<Block>& blocks);
  void on_pause_over();
  void start_pause();
  void wake_waiters();

  OutputStore& store_;
  const std::uint64_t max_blocks_;
  std::shared_ptr<Descriptor> file_;  // requests hold it, too
  std::string failure_;
  bool is_held_ = false;
  bool is_pausing_ = false;
  Handle<uv_timer_t> pause_;

  std::uint64_t ever_used_ = 0;  // blocks from here on were never taken
  std::uint64_t in_use_ = 0;
  std::vector<Block> free_;
  std::vector<Block> returned_;  // free as soon as their place on disk has been given back
  bool is_punching_ = false;

  std::deque<std::unique_ptr<Request>> queue_;
  std::size_t under_way_ = 0;

  std::list<Waiter> waiters_;
  std::unordered_map<const void*, std::list<Waiter>::iterator> places_;  // in waiters_
  std::size_t due_ = 0;  // so many of waiters_ are to be called whether there is a block or not
  AfterTurn wake_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // requests and holds have it weakly
};

}  // namespace runwire
