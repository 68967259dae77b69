// One unlinked file in blocks of one size, which holds what the output records of all kept commands cannot keep in
// memory. One file, however many commands are kept: descriptors are few, the disk is bounded as a whole, and what has
// been given up makes room for others.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "server/output_store.hpp"

namespace runwire {

inline constexpr std::size_t kBlockBytes = 64 * 1024;

class SpillArena {
 public:
  using Block = std::uint32_t;
  // The bytes moved, or a negative libuv error; in a later turn, and not once the arena has died.
  using Done = std::function<void(ssize_t)>;

  // At most `max_bytes` of disk, in the store's spill directory. The file is made when a block is first taken. REQUIRES:
  // the store outlives the arena.
  SpillArena(OutputStore& store, std::uint64_t max_bytes);
  SpillArena(const SpillArena&) = delete;
  SpillArena& operator=(const SpillArena&) = delete;

  // None while all are in use, or where the file can't be made: failure() says why.
  std::optional<Block> take();
  void give_back(Block block);  // its place on disk is given back, too, where the file system can do that

  // `bytes`, kBlockBytes at most, stay alive until the thread is done. What fails is said to `done`, for the caller keeps
  // its bytes until it has succeeded.
  void write(Block block, std::shared_ptr<const std::string> bytes, Done done);
  void read(Block block, std::size_t offset, std::size_t size, SpillFile::Buffer room, Done done);

  // `retry` is called in a later turn when a block has been given back, and a while after a failure; once. `waiter` names
  // it for forget().
  void wait_for_block(const void* waiter, std::function<void()> retry);
  void forget(const void* waiter);

  const std::string& failure() const;
  std::uint64_t bytes_in_use() const;
};

}  // namespace runwire
