#include "client/plain_exchange.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "client/failure_text.hpp"
#include "proto/frame_reader.hpp"

namespace runwire {
namespace {

constexpr std::size_t kReadBytes = 64 * 1024;

// The reply as far as it has come.
class Reply {
 public:
  explicit Reply(const ReplySinks& sinks) : sinks_(sinks) {}

  Status take(std::string_view bytes);
  bool complete() const { return complete_; }
  const ReplyHeader& header() const { return header_; }
  // The connection ended here, for the reason `why`.
  Error ended_early(const std::string& why) const;

 private:
  Status take_header(std::string_view json);
  Status take_payload(std::string_view bytes);
  Status finish();

  const ReplySinks& sinks_;
  FrameReader reader_;
  ReplyHeader header_;
  bool has_header_ = false;
  bool complete_ = false;
  std::uint64_t bytes_ = 0;  // received, of the whole frame
  std::uint64_t payload_bytes_ = 0;
  std::uint64_t out_left_ = 0;  // of the payload, how much is still stdout's
};

Status Reply::take(std::string_view bytes) {
  bytes_ += bytes.size();
  reader_.feed(bytes);
  for (;;) {
    const Piece piece = reader_.next();
    switch (piece.kind) {
      case Piece::need_more:
        return Ok{};
      case Piece::header:
        RUNWIRE_TRY(take_header(piece.bytes));
        break;
      case Piece::payload:
        RUNWIRE_TRY(take_payload(piece.bytes));
        break;
      case Piece::end:
        return finish();
      case Piece::broken:
        return Error{Errc::protocol, "the reply makes no sense: " + reader_.error() + kNotRunwired};
    }
  }
}

Status Reply::take_header(std::string_view json) {
  if (sinks_.header) sinks_.header(json);
  auto parsed = parse_reply_header(json);
  if (!parsed) return Error{Errc::protocol, parsed.error().message + kNotRunwired};
  header_ = *parsed;
  has_header_ = true;
  if (!header_.error && !header_.status && !header_.original)
    return Error{Errc::protocol, std::string("the reply has no exit status") + kUnknownOutcome};
  reader_.expect_payload(header_.len);
  out_left_ = header_.len - header_.stderr_bytes.value_or(0);
  return Ok{};
}

Status Reply::take_payload(std::string_view bytes) {
  payload_bytes_ += bytes.size();
  const auto out_bytes = static_cast<std::size_t>(std::min<std::uint64_t>(out_left_, bytes.size()));
  out_left_ -= out_bytes;
  if (out_bytes > 0) RUNWIRE_TRY(sinks_.out(bytes.substr(0, out_bytes)));
  if (out_bytes < bytes.size()) RUNWIRE_TRY(sinks_.err(bytes.substr(out_bytes)));
  return Ok{};
}

Status Reply::finish() {
  complete_ = true;
  if (reader_.at_boundary()) return Ok{};
  return Error{Errc::protocol,
               std::string("the server answered more than once, so it took the command for several") +
                   kUnknownOutcome};
}

Error Reply::ended_early(const std::string& why) const {
  std::string where = "no reply";
  if (has_header_)
    where = "the reply ends after " + std::to_string(payload_bytes_) + " of " + std::to_string(header_.len) +
            " bytes of output";
  else if (bytes_ > 0)
    where = "the reply ends inside its header, after " + std::to_string(bytes_) + " bytes";
  return {Errc::closed, where + ": " + why + kUnknownOutcome};
}

Result<ReplyHeader> read_reply(Channel& channel, const ReplySinks& sinks) {
  Reply reply(sinks);
  std::vector<char> buffer(kReadBytes);
  while (!reply.complete()) {
    const auto n = channel.read_some(buffer.data(), buffer.size());
    if (!n && n.error().code != Errc::closed) return n.error();
    if (!n) return reply.ended_early(n.error().message);
    if (*n == 0) return reply.ended_early("the server closed the connection");
    RUNWIRE_TRY(reply.take({buffer.data(), *n}));
  }
  return reply.header();
}

}  // namespace

Result<ReplyHeader> run_plain(Channel& channel, std::string_view command, const ReplySinks& sinks) {
  const auto written = channel.write_all(command);
  if (!written && written.error().code == Errc::timeout)
    return Error{Errc::timeout, written.error().message + kUnknownOutcome};
  // A server that refuses a command says why before it closes: what it said can be read even now.
  if (!written && written.error().code != Errc::closed) return written.error();
  auto header = read_reply(channel, sinks);
  const bool sent_whole = written.ok() && *written == Written::whole;
  if (!header || header->error || sent_whole) return header;
  return Error{Errc::protocol,
               std::string("the server answered before it had the whole command") + kUnknownOutcome};
}

}  // namespace runwire
