// What a start's payload says: a line for the shell or words, and words of the environment.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proto/client_message.hpp"
#include "proto/result.hpp"

namespace runwire {

struct StartWords {
  std::string line;               // with `shell`
  std::vector<std::string> argv;  // without
  std::vector<std::string> environment;
};

// ERRORS: Errc::protocol: a NUL where none may be, a number of words that is not the announced one, an empty program
// name, an environment word without a name.
Result<StartWords> split_start_payload(const Start& start, std::string_view payload);
std::string join_start_payload(const StartWords& words, bool shell);

}  // namespace runwire
