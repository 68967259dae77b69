// Whole text files, for the small ones under /proc and those that a user names.
#pragma once

#include <optional>
#include <string>

namespace runwire {

// Absent when it cannot be opened or read.
std::optional<std::string> read_text_file(const std::string& path);

}  // namespace runwire
