#include "server/version.hpp"

#include <uv.h>

#include "proto/build_facts.hpp"

namespace runwire {

std::string version_line() {
  return "runwired " + std::string(kVersion) + " (" + build_facts() + ", libuv " + uv_version_string() + ")";
}

}  // namespace runwire
