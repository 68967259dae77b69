#include "bench/probe.hpp"

#include <chrono>
#include <string>
#include <vector>

#include "proto/frame_reader.hpp"
#include "proto/message.hpp"

namespace runwire {
namespace {

// The reply's pieces, put together.
class Answer {
 public:
  // True when the reply is whole.
  Result<bool> digest(std::string_view bytes) {
    reader_.feed(bytes);
    for (;;) {
      const Piece piece = reader_.next();
      if (piece.kind == Piece::need_more) return false;
      if (piece.kind == Piece::end) return true;
      if (piece.kind == Piece::broken)
        return Error{Errc::protocol, "the reply is no frame: " + reader_.error()};
      if (piece.kind == Piece::payload) expectation_.payload += piece.bytes;
      if (piece.kind == Piece::header) RUNWIRE_TRY(read_header(piece.bytes));
    }
  }

  Expectation take() && { return std::move(expectation_); }

 private:
  Status read_header(std::string_view json) {
    const auto header = parse_reply_header(json);
    RUNWIRE_TRY(header);
    if (header->error)
      return Error{Errc::refused, "the daemon does not run the command: " + header->error->error + ": " +
                                      header->error->message};
    reader_.expect_payload(header->len);
    expectation_.status = header->status;
    if (header->stdout_bytes) expectation_.stdout_bytes = *header->stdout_bytes;
    return Ok{};
  }

  FrameReader reader_;
  Expectation expectation_;
};

}  // namespace

Result<Expectation> ask_once(Channel& channel, std::string_view command, Nanoseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::nanoseconds(timeout);
  RUNWIRE_TRY(channel.write_all(command));
  Answer answer;
  std::vector<char> buffer(std::size_t{64} << 10);
  for (;;) {
    const auto got = channel.read_some(buffer.data(), buffer.size(), deadline);
    RUNWIRE_TRY(got);
    if (*got == 0)
      return Error{Errc::closed, "the daemon closed the connection without a whole reply; its log says why"};
    const auto whole = answer.digest({buffer.data(), *got});
    RUNWIRE_TRY(whole);
    if (*whole) return std::move(answer).take();
  }
}

}  // namespace runwire
