#include "server/session_output.hpp"

#include <cassert>
#include <utility>

#include "proto/frame.hpp"

namespace runwire {

SessionOutput::SessionOutput(OutputStore& store, ByteChannel& channel, std::function<void()> on_room,
                             std::function<void()> on_broken)
    : store_(store), channel_(channel), on_room_(std::move(on_room)), on_broken_(std::move(on_broken)) {}

void SessionOutput::send(std::string_view header) {
  hold(header);
  if (!is_corked_) flush();
}

void SessionOutput::hold(std::string_view header) {
  std::string head = frame_head(header);
  if (!reply_) {
    held_ += head;
    return;
  }
  waiting_bytes_ += head.size();
  waiting_.push_back({std::move(head), std::nullopt});
}

void SessionOutput::flush() {
  if (!held_.empty() && !reply_) channel_.send_now(std::exchange(held_, {}), {});
}

void SessionOutput::uncork() {
  is_corked_ = false;
  flush();
}

void SessionOutput::send(std::string_view header, std::string_view payload) {
  assert(!reply_);
  channel_.send_now(std::exchange(held_, {}) + frame_head(header), payload);
}

void SessionOutput::send(std::string_view header, JobResult result) {
  flush();
  ++waiting_replies_;
  waiting_.push_back({frame_head(header), std::move(result)});
  pump();
}

void SessionOutput::drained() {
  if (channel_.unsent() == 0) ++drains_;  // else it is only that the next piece of a reply has been read
  pump();
  if (has_room()) on_room_();
}

void SessionOutput::pump() {
  while (reply_ || !waiting_.empty()) {
    if (!reply_) begin_next();
    if (!reply_) continue;
    switch (reply_->pump()) {
      case ReplyProgress::going:
        return;
      case ReplyProgress::broken:
        return on_broken_();
      case ReplyProgress::sent:
        reply_.reset();
    }
  }
}

void SessionOutput::begin_next() {
  Waiting next = std::move(waiting_.front());
  waiting_.pop_front();
  if (!next.result) {
    waiting_bytes_ -= next.head.size();
    return channel_.send_now(next.head, {});
  }
  --waiting_replies_;
  reply_ = std::make_unique<ReplyStream>(std::move(next.head), std::move(*next.result), store_, channel_,
                                         [this] { drained(); });
}

}  // namespace runwire
