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
  // Of one that is started so; with `keep_ms` it is a kept one.
  SessionCommand(const Start& start, std::uint64_t window);
  // Of a kept one that is followed from there on.
  SessionCommand(const Attach& attach, std::uint64_t window);

  const std::string& id() const { return id_; }

  // REQUIRES: it is a kept one. On another session all is to be said anew; what has come stays.
  void resume();
  // How to follow it where it stands.
  Attach attach() const;

  // Books what the server has said; of its hello `stdin_window` counts. Not for a SessionError without an id.
  // ERRORS: protocol: it speaks of another command, out of order, or about other bytes than those that came.
  Status take(const ServerMessage& message, std::uint64_t stdin_window);

  bool wants_output() const { return wants_output_; }
  bool is_started() const { return started_; }
  bool has_exited() const { return exited_; }

  // Its streams as this session's first Started told them; of a kept one that was there before.
  const std::optional<KeptState>& kept() const { return kept_; }
  // All of the stream up to that place has come, or it is wanted no more.
  bool has_come(StdStream stream, std::uint64_t end) const;

  // How many bytes of stdin may be sent now.
  std::uint64_t stdin_room() const { return takes_stdin_ ? stdin_room_ : 0; }
  // It has not ended, and the command has not closed it.
  bool takes_stdin() const { return takes_stdin_; }
  // The message that carries so many bytes, or with `eof` the end. REQUIRES: there is room; takes_stdin().
  StdinBytes send_stdin(std::uint64_t len, bool eof);
  // The place of the next byte to be sent.
  std::uint64_t stdin_sent() const { return stdin_sent_; }
  // What lies before this place need never be sent again.
  std::uint64_t stdin_needed_from() const;

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
    bool is_placed = true;  // false: `received` is where the stream stands when it is first followed
  };

  static std::size_t index(StdStream stream) { return stream == StdStream::err ? 1 : 0; }
  Status take_id(const std::string& id) const;
  Status take_of_kept(const ServerMessage& message) const;
  Status take_started(const Started& started, std::uint64_t stdin_window);
  Status take_place(const KeptState& kept, std::uint64_t stdin_window);
  void take_room(std::uint64_t bytes);
  Status take_output(const Output& output);
  Status take_gap(const Gap& gap);
  Status take_exit(const Exit& exit);
  Status check_total(StdStream stream, std::uint64_t said) const;

  std::string id_;
  std::uint64_t window_;
  std::array<OutputAccount, 2> outputs_;
  std::uint64_t stdin_sent_ = 0;
  std::uint64_t stdin_room_ = 0;
  std::uint64_t stdin_window_ = 0;
  std::uint64_t stdin_floor_ = 0;  // of what is needed again: it was more once
  bool takes_stdin_ = true;
  bool stdin_is_over_ = false;  // as the server has told
  bool is_kept_ = false;
  bool wants_output_ = true;
  bool started_ = false;
  bool has_process_ = false;  // as Started has told; a kept one may wait for it
  std::optional<KeptState> kept_;
  bool exited_ = false;
};

}  // namespace runwire
