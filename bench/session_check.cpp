#include "bench/session_check.hpp"

#include <algorithm>
#include <cstring>

namespace runwire {
namespace {

// Each byte is the one before it, and the first is zero: no second buffer has to be read.
bool is_zero(std::string_view piece) {
  return piece.empty() ||
         (piece[0] == 0 && std::memcmp(piece.data(), piece.data() + 1, piece.size() - 1) == 0);
}

std::string at_byte(std::uint64_t at, StdStream stream) {
  std::string text = "byte " + std::to_string(at) + " of ";
  return text += name_of(stream);
}

std::string wrong_byte(std::string place, char have, char want) {
  place += " is " + hex(have);
  return place += " instead of " + hex(want);
}

}  // namespace

void SessionCheck::begin(ReplyForm form) {
  form_ = form;
  started_ = false;
  seen_ = {};
  turn_ = 0;
  converses_ = false;
  exit_.reset();
  failure_.reset();
}

void SessionCheck::begin_turn() {
  turn_ = seen(StdStream::out);
  converses_ = true;
  failure_.reset();
}

void SessionCheck::started() {
  if (started_ || form_ == ReplyForm::whole) misplaced("started");
  started_ = true;
}

void SessionCheck::output(const Output& output) {
  if (!started_) misplaced("output before the start");
  stream_ = output.stream;
  if (output.off == seen(stream_)) return;
  fail(Failure::protocol, std::string(name_of(stream_)) + " goes on at offset " + std::to_string(output.off) +
                              " instead of " + std::to_string(seen(stream_)));
}

void SessionCheck::exit(const Exit& exit) {
  exit_ = exit;
  if (!started_ && form_ == ReplyForm::stream) misplaced("exit before the start");
  if (exit.len != 0 && form_ == ReplyForm::stream) misplaced("a payload behind an exit");
  if (exit.status != expected_.status)
    fail(Failure::status, describe(exit.status) + " instead of " + describe(expected_.status));
  if (exit.truncated) fail(Failure::bytes, "the daemon has cut off the output");
}

void SessionCheck::error(const ErrorReply& error) {
  fail(failure_of(error), error.error + ": " + error.message);
}

void SessionCheck::payload(std::string_view piece) {
  if (!exit_) return compare(stream_, piece);
  const std::uint64_t of_out = exit_->stdout_bytes - std::min(exit_->stdout_bytes, seen(StdStream::out));
  const std::string_view out =
      piece.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(of_out, piece.size())));
  compare(StdStream::out, out);
  compare(StdStream::err, piece.substr(out.size()));
}

void SessionCheck::end_of_exit() {
  check_count(StdStream::out, exit_->stdout_bytes);
  check_count(StdStream::err, exit_->stderr_bytes);
}

void SessionCheck::misplaced(std::string_view what) {
  std::string why(what);
  fail(Failure::protocol, why += " has no place here");
}

std::uint64_t SessionCheck::expected_bytes(StdStream stream) const {
  const std::uint64_t of_out = std::min(expected_.stdout_bytes, expected_.size());
  return stream == StdStream::out ? of_out : expected_.size() - of_out;
}

void SessionCheck::compare(StdStream stream, std::string_view piece) {
  if (piece.empty()) return;
  std::uint64_t& seen = seen_[stream == StdStream::err ? 1 : 0];
  const std::uint64_t at = stream == StdStream::out ? seen - turn_ : seen;
  seen += piece.size();
  if (failure_) return;
  if (const std::uint64_t most = expected_bytes(stream); piece.size() > most - std::min(at, most))
    return fail(Failure::bytes,
                "more than " + std::to_string(most) + " bytes of " + std::string(name_of(stream)));
  if (expected_.zeros == 0) return compare_with_text(stream, at, piece);
  if (is_zero(piece)) return;
  const auto place = static_cast<std::size_t>(
      std::find_if(piece.begin(), piece.end(), [](char c) { return c != 0; }) - piece.begin());
  fail(Failure::bytes, wrong_byte(at_byte(at + place, stream), piece[place], '\0'));
}

void SessionCheck::compare_with_text(StdStream stream, std::uint64_t at, std::string_view piece) {
  const std::uint64_t behind = stream == StdStream::out ? 0 : expected_bytes(StdStream::out);
  const char* want = expected_.payload.data() + behind + at;
  if (std::memcmp(piece.data(), want, piece.size()) == 0) return;
  const auto place =
      static_cast<std::size_t>(std::mismatch(piece.begin(), piece.end(), want).first - piece.begin());
  fail(Failure::bytes, wrong_byte(at_byte(at + place, stream), piece[place], want[place]));
}

void SessionCheck::check_count(StdStream stream, std::uint64_t told) {
  const std::string name(name_of(stream));
  if (told != seen(stream))
    return fail(Failure::bytes, std::to_string(seen(stream)) + " bytes of " + name + " have come and " +
                                    std::to_string(told) + " are told of");
  const std::uint64_t due = expected_bytes(stream);
  if (!converses_ && told != due)
    fail(Failure::bytes, std::to_string(told) + " bytes of " + name + " instead of " + std::to_string(due));
}

void SessionCheck::fail(Failure failure, std::string why) {
  if (failure_) return;
  failure_ = failure;
  why_ = std::move(why);
}

}  // namespace runwire
