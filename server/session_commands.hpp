// The commands that belong to one session and end with it: which id is which job, and what is said of each.
//
// A command is known to the client by its id and to the daemon as a job; the two are held together here until the
// command's last frame is out.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "proto/session_message.hpp"
#include "proto/start_words.hpp"
#include "server/job_table.hpp"
#include "server/session_ground.hpp"

namespace runwire {

class SessionCommands final : private JobListener {
 public:
  // REQUIRES: `ground` outlives this, and the client is abandoned in its jobs before this dies.
  explicit SessionCommands(SessionGround& ground) : ground_(ground), context_(ground.context) {}
  SessionCommands(const SessionCommands&) = delete;
  SessionCommands& operator=(const SessionCommands&) = delete;

  bool is_empty() const { return commands_.empty(); }
  bool has(const std::string& id) const { return by_id_.contains(id); }

  bool may_reply_whole() const;  // to one more
  void start(const Start& start, StartWords words, MemoryLease request_memory);

  // Of a message about a command; false where it is about none of these.
  bool take(const StdinBytes& input);  // its header; then what follows it:
  bool take_input(const StdinBytes& input, std::string_view bytes);
  bool end_input(const StdinBytes& input);
  bool take(const Signal& signal);
  bool take(const Resize& resize);
  bool take(const Stop& stop);
  bool take(const Credit& credit);
  bool take(const Cancel& cancel);

  bool finished(JobId id, JobResult& result);  // which is taken where it is one of these
  void resume_blocked();                       // the connection has room again

 private:
  // One output of a command, on its way to the client.
  struct Flow {
    std::uint64_t sent = 0;
    std::uint64_t window = 0;  // so much more may be sent
    bool starved = false;      // it waits for credit
    bool blocked = false;      // it stands in blocked_
  };
  struct Command {
    std::string id;
    ReplyForm form = ReplyForm::stream;
    bool takes_stdin = false;
    std::uint64_t input_off = 0;      // place of the next byte of input
    std::uint64_t input_allowed = 0;  // place of the first one that may not come yet
    std::uint64_t input_owed = 0;     // taken by the command, and not yet given as credit
    bool input_ended = false;
    Flow out, err;
    std::optional<pid_t> untold_pid = {};  // it is started, and the client has not yet been told
    MemoryLease request_memory;            // until it is started
    MemoryLease input_memory;
  };

  void job_started(JobId id, pid_t pid) override;
  std::size_t output_room(JobId id, StdStream stream) override;
  void job_output(JobId id, StdStream stream, std::string_view bytes) override;
  void input_taken(JobId id, std::size_t bytes) override;
  void input_closed(JobId id) override;

  std::pair<const JobId, Command>* find(const std::string& id);
  void check(const Command& command, const StdinBytes& input);
  void tell_started(Command& command);
  void tell_older_ones();
  void finish(const Command& command, JobResult result);
  static Flow& flow_of(Command& command, StdStream stream);

  SessionGround& ground_;
  const SessionContext& context_;
  std::map<JobId, Command> commands_;
  std::unordered_map<std::string, JobId> by_id_;
  std::vector<std::pair<JobId, StdStream>> blocked_;  // outputs that wait for the connection, in order
  std::vector<JobId> untold_;                         // in the order of their start; some are told by now
  Handle<uv_timer_t> tell_timer_;
};

// What a start asks for, as the daemon's jobs know it.
JobRequest request_for(const Start& start, StartWords words);

// How a command ended that ran, as a session says it.
Exit exit_of(const std::string& id, const JobResult& result);

}  // namespace runwire
