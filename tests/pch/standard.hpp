// Parsed once for all sources of a target, with -Dprecompiled=true, as ./dev's test build has it. Nothing depends on it:
// the release build and clang-tidy read every source without it. It has no guard, for it is never included.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>
