// What a session says: whole frames, one behind the other, whoever they are about.
//
// A frame that is larger than memory is sent piece by piece, and until it has left the others wait for it. Small frames
// that come together leave together.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/byte_channel.hpp"
#include "server/job.hpp"
#include "server/output_store.hpp"
#include "server/reply_stream.hpp"

namespace runwire {

class SessionOutput {
 public:
  // `on_room` is called when has_room() has become true again, `on_broken` when the session can't go on, because a
  // frame that was begun cannot be completed. Both may end the session, but not this object's life. REQUIRES: store and
  // channel outlive it.
  SessionOutput(OutputStore& store, ByteChannel& channel, std::function<void()> on_room,
                std::function<void()> on_broken);

  // A frame without a payload.
  void send(std::string_view header);
  // The same, but it may wait for the next one, or for flush().
  void hold(std::string_view header);
  void flush();
  // Between the two, frames without a payload are held.
  void cork() { is_corked_ = true; }
  void uncork();
  // One whose payload is taken at once. REQUIRES: has_room().
  void send(std::string_view header, std::string_view payload);
  // One whose payload is what a command's result keeps.
  void send(std::string_view header, JobResult result);

  // Whether the peer has taken all that was said, so that more may be.
  bool has_room() const { return !reply_ && channel_.unsent() == 0; }
  bool is_idle() const { return !reply_ && waiting_.empty(); }  // nothing waits here
  std::size_t waiting_replies() const { return waiting_replies_ + (reply_ ? 1 : 0); }
  // Bytes of frames without a payload that wait here, beyond what the channel has.
  std::size_t owed_bytes() const { return held_.size() + waiting_bytes_; }
  std::uint64_t drains() const {
    return drains_;
  }  // how often the peer has taken all there was, or a piece of a reply
  void drained();

 private:
  // What waits behind the reply under way.
  struct Waiting {
    std::string head;
    std::optional<JobResult> result;
  };
  void pump();
  void begin_next();

  OutputStore& store_;
  ByteChannel& channel_;
  std::function<void()> on_room_;
  std::function<void()> on_broken_;
  bool is_corked_ = false;
  std::string held_;                    // whole frames, to go out before the next one
  std::unique_ptr<ReplyStream> reply_;  // one that is under way
  std::list<Waiting> waiting_;          // no deque: most sessions never have any, and that takes room at once
  std::size_t waiting_replies_ = 0;     // of waiting_
  std::size_t waiting_bytes_ = 0;       // of the others in it
  std::uint64_t drains_ = 0;
};

}  // namespace runwire
