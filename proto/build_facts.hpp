// The version, and how a translation unit that includes this is compiled; all programs print it the same way.
#pragma once

#include <string>
#include <string_view>

namespace runwire {

inline constexpr std::string_view kVersion = RUNWIRE_VERSION;  // from meson.build

// "release, gcc 12.2.0, asserts off, sanitizers off"
inline std::string build_facts() {
#ifdef __clang__
  const std::string compiler = "clang " __clang_version__;
#else
  const std::string compiler = "gcc " __VERSION__;
#endif
#ifdef __OPTIMIZE__
  const std::string kind = "release";
#else
  const std::string kind = "unoptimized";
#endif
#ifdef NDEBUG
  const std::string asserts = "off";
#else
  const std::string asserts = "on";
#endif
  const std::string sanitizers = RUNWIRE_SANITIZERS ? "on" : "off";
  return kind + ", " + compiler + ", asserts " + asserts + ", sanitizers " + sanitizers;
}

}  // namespace runwire
