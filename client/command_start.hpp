// A CommandRequest as a session understands it.
#pragma once

#include <string>

#include "client/command_request.hpp"
#include "client/stdio_relay.hpp"

namespace runwire {

struct CommandStart {
  Start start;
  std::string payload;
};

// `words` instead of the request's own: a line of a prompt. `encoding`: null where bytes pass untouched.
// ERRORS: invalid_argument (a character that the server's encoding does not have, too much for a message).
Result<CommandStart> prepare_start(const CommandRequest& request, StartWords words, std::string id,
                                   Encoding* encoding);

StdioRelay::Options relay_options(const CommandRequest& request, Encoding* encoding, Signals* signals);

}  // namespace runwire
