// What a session says: whole frames, one behind the other, whoever they are about.
//
// A frame that is larger than memory is sent piece by piece, and until it has left the others wait for it.
#pragma once

#include <deque>
#include <functional>
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
  // frame that was begun cannot be completed. REQUIRES: store and channel outlive it.
  SessionOutput(OutputStore& store, ByteChannel& channel, std::function<void()> on_room,
                std::function<void()> on_broken);

  // A frame without a payload.
  void send(std::string_view header);
  // One whose payload is taken at once. REQUIRES: has_room().
  void send(std::string_view header, std::string_view payload);
  // One whose payload is what a command's result keeps.
  void send(std::string_view header, JobResult result);

  // Whether the peer has taken all that was said, so that more may be.
  bool has_room() const { return !reply_ && channel_.unsent() == 0; }
  bool is_idle() const { return !reply_ && waiting_.empty(); }  // nothing waits here
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
  std::unique_ptr<ReplyStream> reply_;  // one that is under way
  std::deque<Waiting> waiting_;
};

}  // namespace runwire
