// The recorded commands that one session follows: kept ones of the daemon, and its own whose output is recorded.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "proto/session_message.hpp"
#include "proto/start_words.hpp"
#include "server/followed_job.hpp"
#include "server/session_ground.hpp"
#include "server/uv_handle.hpp"

namespace runwire {

class SessionFollowings {
 public:
  // REQUIRES: `ground` outlives this, and its client is abandoned in its jobs before this dies.
  explicit SessionFollowings(SessionGround& ground);
  SessionFollowings(const SessionFollowings&) = delete;
  SessionFollowings& operator=(const SessionFollowings&) = delete;

  bool is_empty() const { return followed_.empty(); }
  bool has(const std::string& id) const { return followed_.contains(id); }

  // REQUIRES: the id is free; `order` is what the start says beside `words`.
  void start(KeptJob::Order order, const Start& start, StartWords words, MemoryLease request_memory);
  void follow(std::shared_ptr<KeptJob> job, const FollowedJob::Places& places);
  ErrorReply detach(const std::string& id);  // empty where it was done. REQUIRES: has(id)
  void finished(JobId id, JobResult result);

  // Of a message about a command; false where it is about none of these.
  bool take(const StdinBytes& input);
  bool take_input(const StdinBytes& input, std::string_view bytes);
  bool end_input(const StdinBytes& input);
  bool take(const Signal& signal);
  bool take(const Resize& resize);
  bool take(const Stop& stop);
  bool take(const Credit& credit);
  bool take(const Cancel& cancel);

  void resume_blocked();  // the connection has room again
  void close();           // the session is over
  void leave_kept();      // those that do not end with the session

 private:
  FollowedJob* find(const std::string& id);
  FollowedJob& add(std::shared_ptr<KeptJob> job);
  void wait(FollowedJob& followed, StdStream stream);
  void remove(FollowedJob& followed);
  void on_next_turn();
  void await_news();
  void tell_news();

  SessionGround& ground_;
  const FollowedJob::Events events_;
  std::unordered_map<std::string, std::unique_ptr<FollowedJob>> followed_;
  std::unordered_map<JobId, KeptJob*> unkept_;              // of them
  std::deque<std::pair<FollowedJob*, StdStream>> blocked_;  // streams that wait, in order
  RetireList<FollowedJob> retired_;
  AfterTurn next_turn_;
  Handle<uv_timer_t> tell_timer_;
};

}  // namespace runwire
