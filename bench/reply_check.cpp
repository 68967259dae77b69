#include "bench/reply_check.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "proto/message.hpp"

namespace runwire {

std::string hex(char byte) {
  char digits[8];
  std::snprintf(digits, sizeof digits, "0x%02x", static_cast<unsigned>(static_cast<unsigned char>(byte)));
  return digits;
}

Failure failure_of(const ErrorReply& error) {
  return error.error == error_name::kBusy ? Failure::busy : Failure::server_error;
}

std::string describe(const std::optional<ExitStatus>& status) {
  if (!status) return "no exit status";
  return status->by_signal() ? "killed by " + signal_name(status->signal())
                             : "exit code " + std::to_string(status->code());
}

Result<std::uint64_t> ReplyCheck::begin(std::string_view header_json) {
  offset_ = 0;
  failure_.reset();
  const auto header = parse_reply_header(header_json);
  RUNWIRE_TRY(header);
  if (header->error)
    fail(failure_of(*header->error), header->error->error + ": " + header->error->message);
  else if (header->status != expected_.status)
    fail(Failure::status, describe(header->status) + " instead of " + describe(expected_.status));
  else if (header->len != expected_.payload.size())
    fail(Failure::bytes, std::to_string(header->len) + " bytes of payload instead of " +
                             std::to_string(expected_.payload.size()));
  return header->len;
}

void ReplyCheck::payload(std::string_view piece) {
  // Of a reply of another length no byte can be said to be wrong; it has failed already.
  if (!failure_) {
    const char* want = expected_.payload.data() + offset_;
    if (std::memcmp(piece.data(), want, piece.size()) != 0) {
      const auto at =
          static_cast<std::size_t>(std::mismatch(piece.begin(), piece.end(), want).first - piece.begin());
      fail(Failure::bytes, "byte " + std::to_string(offset_ + at) + " of the payload is " + hex(piece[at]) +
                               " instead of " + hex(want[at]));
    }
  }
  offset_ += piece.size();
}

void ReplyCheck::fail(Failure failure, std::string why) {
  failure_ = failure;
  why_ = std::move(why);
}

}  // namespace runwire
