#include "server/process_state.hpp"

#ifdef __linux__

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string_view>

#include "server/descriptor.hpp"

namespace runwire {

bool wants_processor(pid_t pid) {
  std::array<char, 32> path{};
  std::snprintf(path.data(), path.size(), "/proc/%d/stat", static_cast<int>(pid));
  const Descriptor file(open(path.data(), O_RDONLY | O_CLOEXEC));
  std::array<char, 128> bytes{};
  const ssize_t size = file.get() < 0 ? 0 : read(file.get(), bytes.data(), bytes.size());
  const std::string_view text(bytes.data(), size < 0 ? 0 : static_cast<std::size_t>(size));
  const auto name_end = text.rfind(") ");  // the name itself may hold anything
  return name_end != text.npos && text.substr(name_end + 2, 1) == "R";
}

}  // namespace runwire

#else

namespace runwire {

bool wants_processor(pid_t) { return false; }

}  // namespace runwire

#endif
