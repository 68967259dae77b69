// What tests of a session's messages share: a message as the other side reads it, and what is said of a wrong one.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "proto/session_message.hpp"

namespace runwire {

template <class Message, class Parsed> Message reread(const Parsed& parsed) {
  REQUIRE_MESSAGE(parsed.ok(), parsed.error().message);
  REQUIRE(std::holds_alternative<Message>(*parsed));
  return std::get<Message>(*parsed);
}

template <class Message> Message reread_by_server(const Message& message) {
  return reread<Message>(parse_client_message(to_json(message)));
}
template <class Message> Message reread_by_client(const Message& message) {
  return reread<Message>(parse_server_message(to_json(message)));
}

template <class Result> std::string error_of(const Result& result) {
  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == Errc::protocol);
  return result.error().message;
}

inline std::string client_error(std::string_view json) { return error_of(parse_client_message(json)); }
inline std::string server_error(std::string_view json) { return error_of(parse_server_message(json)); }

inline std::string bytes(std::string_view text) { return std::string(text); }

}  // namespace runwire
