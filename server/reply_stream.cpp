#include "server/reply_stream.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "server/log.hpp"

namespace runwire {
namespace {

void append_memory(std::vector<std::string>& pieces, OutputLog* log) {
  if (log == nullptr) return;
  auto chunks = log->take_memory();
  std::move(chunks.begin(), chunks.end(), std::back_inserter(pieces));
}

}  // namespace

ReplyStream::ReplyStream(std::string head, JobResult result, OutputStore& store, ByteChannel& channel,
                         std::function<void()> wake)
    : head_(std::move(head)),
      result_(std::move(result)),
      channel_(channel),
      wake_(std::move(wake)),
      store_(store),
      sent_memory_(store.memory()),
      read_memory_(store.memory()) {}

ReplyProgress ReplyStream::pump() {
  while (!broken_ && channel_.unsent() == 0) {
    switch (stage_) {
      case Stage::head:
        send_head();
        break;
      case Stage::stdout_file:
        if (!send_file(result_.stdout_log.get())) return ReplyProgress::going;
        break;
      case Stage::stderr_memory: {
        std::vector<std::string> pieces;
        append_memory(pieces, result_.stderr_log.get());
        if (!pieces.empty()) channel_.send(std::move(pieces));
        advance();
        break;
      }
      case Stage::stderr_file:
        if (!send_file(result_.stderr_log.get())) return ReplyProgress::going;
        break;
      case Stage::sent:
        return ReplyProgress::sent;
    }
  }
  return broken_ && channel_.unsent() == 0 ? ReplyProgress::broken : ReplyProgress::going;
}

void ReplyStream::send_head() {
  std::vector<std::string> pieces;
  pieces.push_back(std::move(head_));
  append_memory(pieces, result_.stdout_log.get());
  const bool stdout_is_whole = result_.stdout_log == nullptr || result_.stdout_log->file() == nullptr;
  if (stdout_is_whole) append_memory(pieces, result_.stderr_log.get());
  channel_.send(std::move(pieces));
  advance();
}

void ReplyStream::advance() {
  stage_ = static_cast<Stage>(static_cast<int>(stage_) + 1);
  offset_ = 0;
}

// False when a piece is to be waited for.
bool ReplyStream::send_file(OutputLog* log) {
  SpillFile* file = log == nullptr ? nullptr : log->file();
  const bool has_piece = piece_size_ > 0;
  sent_memory_.give_back(sent_memory_.held());
  if (has_piece) {
    std::swap(sent_memory_, read_memory_);
    channel_.send(std::move(piece_), std::exchange(piece_size_, 0));
  }
  const bool at_end = file == nullptr || offset_ == file->size();
  if (!at_end && !is_reading_ && may_read()) read_piece(*file);
  if (at_end && !has_piece) advance();
  return has_piece || at_end;
}

bool ReplyStream::has_plenty() const { return store_.memory().left() >= kPlentyBytes; }

// Ahead, too, while a piece is on its way. A channel that is closed has more unsent than that.
bool ReplyStream::may_read() const {
  return channel_.unsent() == 0 || (channel_.unsent() <= kLargePieceBytes && has_plenty());
}

void ReplyStream::read_piece(SpillFile& file) {
  std::size_t size = has_plenty() ? kLargePieceBytes : kPieceBytes;
  if (!read_memory_.extend(size)) size = kSmallPieceBytes;
  SpillFile::Buffer piece(new char[size]);
  is_reading_ = true;
  file.read(offset_, piece, size, [this, piece](ssize_t count) { on_read(piece, count); });
}

void ReplyStream::on_read(SpillFile::Buffer piece, ssize_t count) {
  is_reading_ = false;
  if (count > 0) {
    offset_ += static_cast<std::uint64_t>(count);
    piece_ = std::move(piece);
    piece_size_ = static_cast<std::size_t>(count);
  } else {
    log::error("spill-unreadable")
        .add("cause", count < 0 ? uv_strerror(static_cast<int>(count)) : "file is short");
    broken_ = true;
  }
  const auto wake = wake_;  // what it calls may end this object's life
  wake();
}

}  // namespace runwire
