// One command and its reply over a channel, in the plain protocol: raw bytes out, one frame back.
#pragma once

#include <functional>
#include <string_view>

#include "client/channel.hpp"
#include "proto/message.hpp"
#include "proto/result.hpp"

namespace runwire {

// Where a reply goes, in this order: the header once, then stdout's bytes, then stderr's, in pieces as they
// arrive. An error from `out` or `err` ends the exchange. `header` gets the JSON as it came, and may be empty.
struct ReplySinks {
  std::function<void(std::string_view json)> header;
  std::function<Status(std::string_view bytes)> out;
  std::function<Status(std::string_view bytes)> err;
};

// Sends `command` and passes on the reply, in constant memory however large it is. From a server that tells no
// byte counts all output goes to `out`.
//
// OK means that the reply arrived whole; it may still be an error frame (`error` is set). After an error the
// channel is of no further use: what it would read next belongs to nothing. What the sinks were given before it
// is output of a command whose outcome is unknown.
// REQUIRES: check_shell_line(command).ok(), and nothing unread on the channel.
// ERRORS: closed (the connection ended too early), timeout (the server takes nothing of the command), protocol (the
// reply breaks the protocol, or is for a part of the command only), io, and whatever a sink returns.
Result<ReplyHeader> run_plain(Channel& channel, std::string_view command, const ReplySinks& sinks);

// What original servers read of a command in one go, at the least: they take the rest for the next command.
inline constexpr std::size_t kOriginalCommandBytes = 1024;

}  // namespace runwire
