#include "bench/failure.hpp"

#include <cerrno>

namespace runwire {
namespace {

struct Names {
  std::string_view title;
  std::string_view key;
};

constexpr std::array<Names, kFailureKinds> kNames{{
    {"refused", "refused"},
    {"reset", "reset"},
    {"closed early", "closed_early"},
    {"timeout", "timeout"},
    {"never sent", "never_sent"},
    {"busy", "busy"},
    {"server error", "server_error"},
    {"wrong status", "wrong_status"},
    {"wrong bytes", "wrong_bytes"},
    {"broken frame", "broken_frame"},
    {"own system", "own_system"},
}};

}  // namespace

std::string_view title_of(Failure failure) { return kNames[static_cast<std::size_t>(failure)].title; }
std::string_view key_of(Failure failure) { return kNames[static_cast<std::size_t>(failure)].key; }

Failure failure_of_errno(int error) {
  switch (error) {
    case ECONNREFUSED:
    case ENOENT:  // a Unix socket's path is gone
      return Failure::refused;
    case ECONNRESET:
    case EPIPE:
      return Failure::reset;
    case ETIMEDOUT:
      return Failure::timeout;
    default:
      return Failure::local;
  }
}

}  // namespace runwire
