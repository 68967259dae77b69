// A recorded command as one session follows it: its place in each stream, its windows, and what it is told.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/kept_job.hpp"
#include "server/session_ground.hpp"

namespace runwire {

// So much of what is there is sent before others have their turn.
inline constexpr std::uint64_t kReplayBytes = 256 * 1024;

class FollowedJob final : private JobFollower {
 public:
  struct Events {
    // It waits for the connection, or for its turn: to go on with an output, or to give credit for the input.
    std::function<void(FollowedJob&, StdStream)> on_blocked;
    std::function<void()> on_news;              // some may wait a moment for more, until tell_news()
    std::function<void(FollowedJob&)> on_over;  // its last frame is out; it may be on the stack
  };
  // Where it begins. Absent: at what comes from now on.
  struct Places {
    std::optional<std::uint64_t> out, err;
    bool wants_output = true;
  };

  // REQUIRES: `ground` and `events` outlive it.
  FollowedJob(std::shared_ptr<KeptJob> job, SessionGround& ground, const Events& events);
  ~FollowedJob() override;
  FollowedJob(const FollowedJob&) = delete;
  FollowedJob& operator=(const FollowedJob&) = delete;

  // One of these, once: it has just been submitted; or it had been before.
  void follow_new();
  void follow_from(const Places& places);

  KeptJob& job() { return *job_; }
  const std::string& id() const { return job_->order().id; }
  void go_on(StdStream stream);  // the connection has room again
  void take(const Credit& credit);
  void take(const Stop& stop);
  // What comes of a StdinBytes: its header, and what follows that.
  void take(const StdinBytes& input);
  void take_input(std::string_view bytes);
  void end_input(const StdinBytes& input);
  void tell_news();
  // Says nothing more. Its cursors go with it.
  void end();

 private:
  struct Flow {
    std::optional<RecordCursor> cursor = {};  // none: that stream is not wanted
    std::uint64_t window = 0;                 // so much more may be sent
    std::uint64_t unacknowledged = 0;         // sent, and no credit was given for it
    std::uint64_t replay_end = 0;             // what lies before had been there already
    bool starved = false;                     // it waits for credit
    bool blocked = false;                     // it waits for the connection, or for its turn
  };

  void job_started() override;
  void input_credited(std::uint64_t bytes) override;
  void input_closed() override;
  void job_finished() override;
  const RecordCursor* cursor(StdStream stream) const override;
  void was_too_slow() override;

  Flow& flow_of(StdStream stream) { return stream == StdStream::err ? err_ : out_; }
  void follow(StdStream stream, std::uint64_t place);
  void begin();
  std::string started() const;
  void say(const std::string& header);
  void pump(StdStream stream);
  bool may_send(Flow& flow, StdStream stream);
  void wait(Flow& flow, StdStream stream);
  std::uint64_t send(Flow& flow, StdStream stream, std::string_view bytes);  // how much of that
  void conclude();
  void tell_credit();
  static bool is_done(const Flow& flow);

  const std::shared_ptr<KeptJob> job_;
  SessionGround& ground_;
  const Events& events_;
  bool is_existing_ = false;
  bool is_untold_ = false;  // it is started, and the client has not yet been told
  bool is_over_ = false;
  Flow out_, err_;
  std::uint64_t input_place_ = 0;   // of the next byte of the message that is being read
  std::uint64_t input_credit_ = 0;  // the client is to be told of it
};

}  // namespace runwire
