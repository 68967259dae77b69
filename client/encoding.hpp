// The character set of a server's programs beside that of the terminal, in every direction that text takes.
#pragma once

#include <string>

#include "client/charset.hpp"

namespace runwire {

struct Encoding {
  Charset command, in;  // to the server
  Charset out, err;     // from there

  // ERRORS: invalid_argument (a set that this system does not know).
  static Result<Encoding> open(const std::string& name);
};

}  // namespace runwire
