#include "bench/build_info.hpp"

namespace runwire {
namespace {

#if defined(__clang__)
#define RUNWIRE_STRING_(x) #x
#define RUNWIRE_STRING(x) RUNWIRE_STRING_(x)
constexpr std::string_view kCompiler = "clang " RUNWIRE_STRING(__clang_major__) "." RUNWIRE_STRING(
    __clang_minor__) "." RUNWIRE_STRING(__clang_patchlevel__);
#else
constexpr std::string_view kCompiler = "gcc " __VERSION__;
#endif

#if defined(NDEBUG)
constexpr std::string_view kAsserts = "asserts off";
#else
constexpr std::string_view kAsserts = "asserts on";
#endif

}  // namespace

std::string bench_build() {
  std::string text = "runwire-bench " RUNWIRE_VERSION " (" RUNWIRE_BUILDTYPE ", ";
  text += kCompiler;
  text += ", ";
  text += kAsserts;
  return text += RUNWIRE_SANITIZERS ? ", sanitizers on)" : ", sanitizers off)";
}

std::string slowed_by(std::string_view build) {
  std::string what;
  if (build.find("asserts on") != build.npos) what = "asserts are on";
  const bool told = build.find("sanitizers ") != build.npos;
  if (told && build.find("sanitizers off") == build.npos)
    what += what.empty() ? "sanitizers are on" : ", sanitizers are on";
  return what;
}

}  // namespace runwire
