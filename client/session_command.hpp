// The account of one command on a session: whether what the server says of it adds up, and what it may be sent. Bytes
// and numbers only; nothing is sent or received here.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "proto/result.hpp"
#include "proto/session_message.hpp"

namespace runwire {

class SessionCommand {
 public:
  // `window`: so many bytes of each output stream may come ahead of Credit, as our hello said.
  SessionCommand(std::string id, std::uint64_t window);

  const std::string& id() const { return id_; }

  // Books what the server has said; of its hello `stdin_window` counts. Not for a SessionError without an id.
  // ERRORS: protocol: it speaks of another command, out of order, or about other bytes than those that came.
  Status take(const ServerMessage& message, std::uint64_t stdin_window);

  bool is_started() const { return started_; }
  bool has_exited() const { return exited_; }

  // How many bytes of stdin may be sent now.
  std::uint64_t stdin_room() const { return takes_stdin_ ? stdin_room_ : 0; }
  // It has not ended, and the command has not closed it.
  bool takes_stdin() const { return takes_stdin_; }
  // The message that carries so many bytes, or with `eof` the end. REQUIRES: there is room; takes_stdin().
  StdinBytes send_stdin(std::uint64_t len, bool eof);

  // Room for more of an output stream, of which `waiting` bytes still stand in the way here, once it is worth a
  // message. Never for a stream that was stopped.
  std::optional<Credit> grant(StdStream stream, std::uint64_t waiting);

  // Nothing more of it is wanted. Absent: it was stopped already.
  std::optional<Stop> stop(StdStream stream);
  bool is_stopped(StdStream stream) const { return outputs_[index(stream)].stopped; }

 private:
  struct OutputAccount {
    std::uint64_t received = 0;
    std::uint64_t granted = 0;  // in all: the window, and what was granted since
    bool stopped = false;
  };

  static std::size_t index(StdStream stream) { return stream == StdStream::err ? 1 : 0; }
  Status take_id(const std::string& id) const;
  Status take_started(const Started& started, std::uint64_t stdin_window);
  Status take_output(const Output& output);
  Status take_exit(const Exit& exit);
  Status check_total(StdStream stream, std::uint64_t said) const;

  std::string id_;
  std::uint64_t window_;
  std::array<OutputAccount, 2> outputs_;
  std::uint64_t stdin_sent_ = 0;
  std::uint64_t stdin_room_ = 0;
  bool takes_stdin_ = true;
  bool started_ = false;
  bool exited_ = false;
};

}  // namespace runwire
