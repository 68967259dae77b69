// This program's stdin on its way to a command: as it is or converted, and held as long as it may have to be sent, or
// sent again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "client/encoding.hpp"
#include "client/escape.hpp"
#include "client/shared_descriptor.hpp"
#include "proto/result.hpp"

namespace runwire {

class RelayInput {
 public:
  // `encoding`: null: bytes pass untouched. It outlives this. `obeys_escape`: somebody types, who can say
  // more than what is for the command.
  RelayInput(int fd, Encoding* encoding, bool obeys_escape = false) : in_(fd), encoding_(encoding) {
    if (obeys_escape) escape_.emplace();
  }

  int fd() const { return in_.fd(); }

  // Takes in what is there, at most kMost bytes. ERRORS: io.
  Status read(std::size_t size);
  static constexpr std::size_t kMost = std::size_t{64} << 10;

  // Nothing comes behind what is held.
  bool has_ended() const { return has_ended_; }
  // Null: nobody obeys one.
  Escape* escape() { return escape_ ? &*escape_ : nullptr; }
  void forget_escape() { escape_.reset(); }
  // As if it had been read behind all that is held.
  void add(char key) { held_ += key; }

  // What is held from this place in the command's stdin on. Where nothing is held, what is read next belongs there.
  // REQUIRES: what lies there was not forgotten. The view is valid until the next call of another.
  std::string_view from(std::uint64_t off);
  void forget_before(std::uint64_t off);

 private:
  SharedDescriptor in_;
  Encoding* encoding_;
  std::optional<Escape> escape_;
  std::unique_ptr<char[]> buffer_;
  std::string held_;
  std::uint64_t held_from_ = 0;
  bool has_ended_ = false;
};

}  // namespace runwire
