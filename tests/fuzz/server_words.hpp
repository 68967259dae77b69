// Reads what a daemon says to one client, and holds it to the protocol.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "proto/frame_reader.hpp"
#include "proto/message.hpp"
#include "proto/session_message.hpp"
#include "tests/fuzz/require.hpp"

namespace runwire::fuzz {

class ServerWords {
 public:
  // Which of the two conversations it is; known before anything is heard.
  void choose(bool is_session) { is_session_ = is_session; }

  // What the client says: of what it stops it need not hear all.
  void said(std::string_view bytes) {
    const std::size_t of_preface = std::min(preface_left_, bytes.size());
    preface_left_ -= of_preface;
    if (!is_session_ || !is_understood_) return;
    client_.feed(bytes.substr(of_preface));
    while (is_understood_) {
      const Piece piece = client_.next();
      if (piece.kind == Piece::need_more) return;
      if (piece.kind == Piece::header) client_.expect_payload(take_client_header(piece.bytes));
      is_understood_ = is_understood_ && piece.kind != Piece::broken;
    }
  }

  void hear(std::string_view bytes) {
    require(bytes.empty() || !is_over_, "nothing follows the error that ends a session");
    reader_.feed(bytes);
    for (;;) {
      const Piece piece = reader_.next();
      if (piece.kind == Piece::need_more) return;
      require(piece.kind != Piece::broken, "a server's frames have legal sizes");
      if (piece.kind == Piece::header) reader_.expect_payload(take_header(piece.bytes));
    }
  }

 private:
  // One stream of a command, as it has been heard.
  struct Heard {
    std::optional<std::uint64_t> place;  // where the next byte lies; absent: where the client had it begin
    std::uint64_t replayed_to = 0;       // what lies before is a replay
  };
  struct Command {
    Heard out, err;
    bool has_pid = true;
  };

  std::uint64_t take_client_header(std::string_view json) {
    const auto message = parse_client_message(json);
    is_understood_ = message.ok();
    if (!message) return 0;
    if (const auto* stop = std::get_if<Stop>(&*message)) stopped_.insert(stop->id);
    return payload_bytes(*message);
  }

  std::uint64_t take_header(std::string_view json) {
    require(!is_over_, "nothing follows the error that ends a session");
    if (!is_session_) {
      const auto header = parse_reply_header(json);
      require(header.ok() && !header->original, "a plain reply is well-formed");
      return header->len;
    }
    const auto message = parse_server_message(json);
    require(message.ok(), "a session's message is well-formed");
    std::visit([this](const auto& each) { take(each); }, *message);
    require(has_hello_ || is_over_, "hello comes first");
    return payload_bytes(*message);
  }

  void take(const ServerHello&) {
    require(!has_hello_, "hello comes once");
    has_hello_ = true;
  }
  void take(const Started& started) {
    const auto [found, is_new] = running_.try_emplace(started.id);
    Command& command = found->second;
    require(is_new || !command.has_pid, "a command starts once, and is followed once");
    command.has_pid = started.pid.has_value();
    require(command.has_pid || started.existing, "who has started a command hears of it when it runs");
    require(!started.existing || started.kept || !is_new, "it is told how a kept command stands");
    if (!is_new) return;
    command.out = heard_from(started, &KeptState::stdout_end);
    command.err = heard_from(started, &KeptState::stderr_end);
  }
  static Heard heard_from(const Started& started, std::uint64_t KeptState::*end) {
    if (!started.existing) return {0, 0};
    return {std::nullopt, (*started.kept).*end};
  }
  Heard& heard_of(const std::string& id, StdStream stream) {
    const auto found = running_.find(id);
    require(found != running_.end(), "output belongs to a command that was started");
    return stream == StdStream::out ? found->second.out : found->second.err;
  }
  void take(const Output& output) {
    Heard& heard = heard_of(output.id, output.stream);
    require(output.off == heard.place.value_or(output.off) && output.len > 0, "output has no gap");
    heard.place = output.off + output.len;
    require(output.replay == (output.off < heard.replayed_to), "what was there before is a replay");
    require(!output.replay || *heard.place <= heard.replayed_to, "a frame is a replay or it is none");
  }
  void take(const Gap& gap) {
    Heard& heard = heard_of(gap.id, gap.stream);
    require(gap.from == heard.place.value_or(gap.from), "a gap begins where the last byte was");
    heard.place = gap.to;
  }
  void take(const Exit& exit) {
    require(exit.reason.has_value(), "an exit has a reason that is known");
    const auto found = running_.find(exit.id);
    if (found == running_.end()) return;  // its reply is whole
    const std::uint64_t out = found->second.out.place.value_or(exit.stdout_bytes);
    const std::uint64_t err = found->second.err.place.value_or(exit.stderr_bytes);
    require(out <= exit.stdout_bytes && err <= exit.stderr_bytes, "exit counts what was heard");
    const bool is_all = out == exit.stdout_bytes && err == exit.stderr_bytes;
    require((is_all || stopped_.contains(exit.id)) && exit.len == 0, "exit comes after the last byte");
    running_.erase(found);
  }
  void take(const Detached& detached) {
    require(running_.erase(detached.id) == 1, "who is detached has followed");
  }
  void take(const Forgotten&) {}
  void take(const JobInfo& job) {
    ++listed_;
    require(job.status.has_value() <= (job.phase == JobPhase::finished), "only what is over has a status");
    require(job.expires_ms.has_value() == (job.phase == JobPhase::finished), "only what is over expires");
  }
  void take(const Listed& listed) {
    require(listed.jobs == std::exchange(listed_, 0), "a list is as long as it says");
  }
  void take(const SessionError& error) {
    const bool is_about_one = !error.id.empty() || error.error.error == error_name::kUnsupported ||
                              error.error.error == error_name::kBusy;
    is_over_ = !is_about_one;
    if (error.error.error == error_name::kSpawn) running_.erase(error.id);
  }
  void take(const Credit& credit) {
    require(credit.stream == StdStream::in && credit.bytes > 0, "credit is for input");
  }
  void take(const Stop&) {}
  void take(const Ping&) {}
  void take(const Pong&) {}
  void take(const Optional&) { require(false, "a server says only what is known"); }

  bool is_session_ = false, has_hello_ = false, is_over_ = false;
  FrameReader reader_;
  std::map<std::string, Command> running_;  // that the client has started or follows
  std::uint64_t listed_ = 0;                // since the last list ended

  // Of the client.
  FrameReader client_;
  std::size_t preface_left_ = kPreface.size();
  bool is_understood_ = true;  // so far
  std::set<std::string> stopped_;
};

}  // namespace runwire::fuzz
