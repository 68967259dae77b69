// Text from elsewhere, made safe to show on a terminal.
#pragma once

#include <string>
#include <string_view>

namespace runwire {

// UTF-8 stays as it is; control characters (C0, DEL, C1: a terminal would obey them), the marks that reverse
// the direction of writing, and bytes that are not UTF-8 become `\x1b`, `\u202e` and the like, one line stays one line.
std::string printable(std::string_view text);

}  // namespace runwire
