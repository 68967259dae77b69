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
      piece_memory_(store.memory()) {}

ReplyProgress ReplyStream::pump() {
  while (!broken_ && !reading_ && channel_.unsent() == 0) {
    switch (stage_) {
      case Stage::head:
        send_head();
        break;
      case Stage::stdout_file:
        if (!send_file(result_.stdout_log.get())) advance();
        break;
      case Stage::stderr_memory: {
        std::vector<std::string> pieces;
        append_memory(pieces, result_.stderr_log.get());
        if (!pieces.empty()) channel_.send(std::move(pieces));
        advance();
        break;
      }
      case Stage::stderr_file:
        if (!send_file(result_.stderr_log.get())) advance();
        break;
      case Stage::sent:
        return ReplyProgress::sent;
    }
  }
  return broken_ ? ReplyProgress::broken : ReplyProgress::going;
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

// False when there is nothing (more) in the file.
bool ReplyStream::send_file(OutputLog* log) {
  piece_memory_.give_back(piece_memory_.held());
  SpillFile* file = log == nullptr ? nullptr : log->file();
  if (file == nullptr || offset_ == file->size()) return false;
  const std::size_t size = piece_memory_.extend(kPieceBytes) ? kPieceBytes : kSmallPieceBytes;
  SpillFile::Buffer piece(new char[size]);
  reading_ = true;
  file->read(offset_, piece, size, [this, piece](ssize_t count) { on_read(piece, count); });
  return true;
}

void ReplyStream::on_read(SpillFile::Buffer piece, ssize_t count) {
  reading_ = false;
  if (count > 0) {
    offset_ += static_cast<std::uint64_t>(count);
    channel_.send(std::move(piece), static_cast<std::size_t>(count));
  } else {
    log::error("spill-unreadable")
        .add("cause", count < 0 ? uv_strerror(static_cast<int>(count)) : "file is short");
    broken_ = true;
  }
  const auto wake = wake_;  // what it calls may end this object's life
  wake();
}

}  // namespace runwire
