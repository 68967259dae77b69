#include "server/spill_arena.hpp"

#include <fcntl.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "server/signals_blocked.hpp"

namespace runwire {
namespace {

constexpr int kWakesPerTurn = 64;  // others are to have their turn, too

// Gives the place of these blocks on disk back. Where that can't be done they keep it until they are written again.
void punch_out(int fd, std::vector<SpillArena::Block> blocks) {
#ifdef FALLOC_FL_PUNCH_HOLE
  std::sort(blocks.begin(), blocks.end());
  for (std::size_t at = 0, run = 0; at < blocks.size(); at += run) {
    for (run = 1; at + run < blocks.size() && blocks[at + run] == blocks[at] + run;) ++run;
    const int result = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                 static_cast<off_t>(blocks[at] * std::uint64_t{kBlockBytes}),
                                 static_cast<off_t>(run * kBlockBytes));
    if (result != 0) return;
  }
#else
  (void)fd;
  (void)blocks;
#endif
}

}  // namespace

struct SpillArena::Request {
  uv_fs_t fs{};
  SpillArena* arena = nullptr;
  std::weak_ptr<bool> alive;
  std::shared_ptr<Descriptor> file;
  std::int64_t place = 0;
  std::shared_ptr<const std::string> bytes;  // to be written, or
  SpillFile::Buffer room;                    // to be read into
  uv_buf_t view{};
  Done done;

  static void on_done(uv_fs_t* fs) {
    const std::unique_ptr<Request> request(static_cast<Request*>(fs->data));
    const ssize_t result = fs->result;
    uv_fs_req_cleanup(fs);
    if (!request->alive.expired()) request->arena->on_moved(*request, result);
  }
};

struct SpillArena::Punch {
  uv_work_t work{};
  SpillArena* arena = nullptr;
  std::weak_ptr<bool> alive;
  std::shared_ptr<Descriptor> file;
  std::vector<Block> blocks;

  static void in_pool(uv_work_t* work) {
    const auto* self = static_cast<Punch*>(work->data);
    punch_out(self->file->get(), self->blocks);
  }
  static void on_done(uv_work_t* work, int) {
    const std::unique_ptr<Punch> self(static_cast<Punch*>(work->data));
    if (!self->alive.expired()) self->arena->on_punched(self->blocks);
  }
};

SpillArena::SpillArena(OutputStore& store, std::uint64_t max_bytes)
    : store_(store),
      max_blocks_(std::min<std::uint64_t>(max_bytes / kBlockBytes, std::numeric_limits<Block>::max())),
      pause_(make_timer(store.loop(), this)),
      wake_(store.loop(), [this] { wake_waiters(); }) {
  uv_unref(as_handle(pause_.get()));  // nobody is kept waiting for it alone
}

SpillArena::SpillArena(OutputStore& store, std::uint64_t max_bytes, Descriptor file,
                       const std::vector<Block>& used)
    : SpillArena(store, max_bytes) {
  file_ = std::make_shared<Descriptor>(std::move(file));
  std::vector<Block> taken = used;
  std::sort(taken.begin(), taken.end());
  for (const Block block : taken) {
    for (; ever_used_ < block; ++ever_used_) returned_.push_back(static_cast<Block>(ever_used_));
    ++ever_used_;
  }
  in_use_ = taken.size();
  punch();
}

SpillArena::~SpillArena() = default;  // here Request is known

bool SpillArena::can_take() const {
  return !is_held_ && !is_pausing_ && (!free_.empty() || ever_used_ < max_blocks_);
}

void SpillArena::hold_still(bool yes) {
  if (std::exchange(is_held_, yes) == yes) return;
  punch();
  if (!waiters_.empty()) wake_.arm();
}

std::optional<SpillArena::Block> SpillArena::take() {
  if (!can_take() || (!file_ && !open_file())) return std::nullopt;
  ++in_use_;
  if (free_.empty()) return static_cast<Block>(ever_used_++);
  const Block block = free_.back();
  free_.pop_back();
  return block;
}

bool SpillArena::open_file() {
  const auto fd = open_unnamed_file(store_.spill_dir());
  if (fd)
    file_ = std::make_shared<Descriptor>(*fd);
  else
    fail(fd.error().message);
  return fd.ok();
}

void SpillArena::fail(std::string why) {
  failure_ = std::move(why);
  is_pausing_ = true;
  start_pause();
}

void SpillArena::give_back(Block block) {
  --in_use_;
  returned_.push_back(block);
  punch();
}

SpillArena::Hold SpillArena::hold(Block taken) {
  return {new Block(taken), [this, alive = std::weak_ptr<bool>(alive_)](const Block* block) {
            if (!alive.expired()) give_back(*block);
            delete block;
          }};
}

// In the pool, for a busy disk lets us wait; all that have come together in one go. Until that is done they are
// nobody's, or what a new owner writes would go, too.
void SpillArena::punch() {
  if (returned_.empty() || is_punching_ || is_held_) return;
  is_punching_ = true;
  auto request = std::make_unique<Punch>();
  request->work.data = request.get();
  request->arena = this;
  request->alive = alive_;
  request->file = file_;
  request->blocks = std::exchange(returned_, {});
  const SignalsBlocked for_its_threads;
  uv_queue_work(store_.loop(), &request.release()->work, Punch::in_pool, Punch::on_done);
}

void SpillArena::on_punched(const std::vector<Block>& blocks) {
  is_punching_ = false;
  free_.insert(free_.end(), blocks.begin(), blocks.end());
  punch();
  if (!waiters_.empty()) wake_.arm();
}

void SpillArena::write(Block block, std::shared_ptr<const std::string> bytes, Done done) {
  auto request = std::make_unique<Request>();
  request->place = static_cast<std::int64_t>(block * std::uint64_t{kBlockBytes});
  request->view = uv_buf_init(const_cast<char*>(bytes->data()), static_cast<unsigned>(bytes->size()));
  request->bytes = std::move(bytes);
  request->done = std::move(done);
  enqueue(std::move(request));
}

void SpillArena::read(Block block, std::size_t offset, std::size_t size, SpillFile::Buffer room, Done done) {
  auto request = std::make_unique<Request>();
  request->place = static_cast<std::int64_t>(block * std::uint64_t{kBlockBytes} + offset);
  request->view = uv_buf_init(room.get(), static_cast<unsigned>(size));
  request->room = std::move(room);
  request->done = std::move(done);
  enqueue(std::move(request));
}

void SpillArena::enqueue(std::unique_ptr<Request> request) {
  request->fs.data = request.get();
  request->arena = this;
  request->alive = alive_;
  request->file = file_;
  queue_.push_back(std::move(request));
  start_next();
}

void SpillArena::start_next() {
  while (under_way_ < kArenaRequests && !queue_.empty()) {
    ++under_way_;
    Request* next = queue_.front().release();
    queue_.pop_front();
    const SignalsBlocked for_its_threads;
    const auto move = next->bytes ? uv_fs_write : uv_fs_read;
    move(store_.loop(), &next->fs, next->file->get(), &next->view, 1, next->place, Request::on_done);
  }
}

void SpillArena::on_moved(Request& request, ssize_t result) {
  --under_way_;
  start_next();
  if (request.bytes && result >= 0 && static_cast<std::size_t>(result) < request.bytes->size())
    result = UV_ENOSPC;
  if (request.bytes && result < 0) {
    fail("cannot write to a temporary file in " + store_.spill_dir() + ": " +
         uv_strerror(static_cast<int>(result)) +
         "; free space there, or name another directory with --spill-dir");
  } else if (request.bytes) {
    failure_.clear();
  }
  request.done(result);
}

void SpillArena::wait_for_block(const void* waiter, std::function<void()> retry) {
  forget(waiter);
  places_[waiter] = waiters_.insert(waiters_.end(), {waiter, std::move(retry)});
  if (uv_is_active(as_handle(pause_.get())) == 0) start_pause();
}

void SpillArena::forget(const void* waiter) {
  const auto known = places_.find(waiter);
  if (known == places_.end()) return;
  waiters_.erase(known->second);
  places_.erase(known);
}

void SpillArena::start_pause() {
  uv_timer_start(pause_.get(), deliver<&SpillArena::on_pause_over>, kArenaPauseMs, 0);
}

void SpillArena::on_pause_over() {
  is_pausing_ = false;
  due_ = waiters_.size();
  wake_waiters();
}

// Who is called may have no use for a block any more, so as long as there are any the next ones are called.
void SpillArena::wake_waiters() {
  for (int calls = 0; calls < kWakesPerTurn && !waiters_.empty() && (due_ > 0 || can_take()); ++calls) {
    if (due_ > 0) --due_;
    const auto retry = std::move(waiters_.front().retry);
    forget(waiters_.front().who);
    retry();
  }
  due_ = std::min(due_, waiters_.size());
  if (!waiters_.empty() && (due_ > 0 || can_take())) wake_.arm();
}

}  // namespace runwire
