// What commands may use, as people write it: `cpu=10,as=2G,nofile=64`.
#pragma once

#include <string_view>

#include "proto/client_message.hpp"
#include "proto/result.hpp"

namespace runwire {

// Puts NAME=VALUE words, with commas between, into `limits`. NAME: cpu (seconds), as, fsize, core (bytes, of which K,
// M, G and T are 1024, 1024^2, ...), nofile, nproc (numbers). What is said twice holds as it was said last.
// ERRORS: invalid_argument, naming the word.
Status read_limit_words(std::string_view words, CommandLimits& limits);

}  // namespace runwire
