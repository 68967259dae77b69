#include "server/exec_shim.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sstream>

namespace runwire {
namespace {

// argv: the daemon's name, this, the settings, the program, its words.
constexpr const char* kShimOption = "--exec-shim";
enum : int { kOptionAt = 1, kSettingsAt, kProgramAt, kWordsAt };

constexpr const char* kExecStage = "exec";

int fail(const char* stage, int error) {
  char report[64];
  const int size = std::snprintf(report, sizeof report, "%s %d", stage, error);
  [[maybe_unused]] const ssize_t written = write(kShimReportFd, report, static_cast<std::size_t>(size));
  return 127;
}

// What failed, errno saying why; null: nothing did.
const char* apply(const ChildSettings& settings) {
  if (settings.has_umask) umask(settings.umask);
  if (settings.has_nice && setpriority(PRIO_PROCESS, 0, settings.nice) != 0) return kNiceStage;
  if (settings.takes_terminal && ioctl(STDIN_FILENO, TIOCSCTTY, 0) != 0) return kTerminalStage;
  for (std::size_t i = 0; i < settings.limits; ++i) {
    const ResourceLimit& limit = settings.limit[i];
    if (setrlimit(static_cast<decltype(RLIMIT_CPU)>(limit.resource), &limit.value) != 0) return limit.stage;
  }
  return nullptr;
}

bool read_setting(std::istringstream& words, const std::string& name, ChildSettings& settings) {
  if (name == kTerminalStage) return settings.takes_terminal = true;
  if (name == kUmaskStage) return settings.has_umask = static_cast<bool>(words >> settings.umask);
  if (name == kNiceStage) return settings.has_nice = static_cast<bool>(words >> settings.nice);
  const ResourceLimit* resource = resource_of(name.c_str());
  if (resource == nullptr || settings.limits == kResources) return false;
  ResourceLimit& limit = settings.limit[settings.limits++];
  limit = *resource;
  return static_cast<bool>(words >> limit.value.rlim_cur >> limit.value.rlim_max);
}

}  // namespace

std::string own_executable() {
#ifdef __linux__
  constexpr const char* kSelf = "/proc/self/exe";
  if (access(kSelf, X_OK) == 0) return kSelf;
#endif
  std::string path(4096, '\0');
  std::size_t size = path.size();
  if (uv_exepath(path.data(), &size) != 0) return "";
  path.resize(size);
  return path;
}

std::vector<std::string> shim_call(const ChildSettings& settings, const std::string& program,
                                   const std::vector<std::string>& argv) {
  std::vector<std::string> call{"runwired", kShimOption, to_word(settings), program};
  call.insert(call.end(), argv.begin(), argv.end());
  return call;
}

bool is_shim_call(int argc, char** argv) {
  return argc > kWordsAt && std::strcmp(argv[kOptionAt], kShimOption) == 0;
}

int run_shim(char** argv) {
  fcntl(kShimReportFd, F_SETFD, FD_CLOEXEC);
  const auto settings = settings_from_word(argv[kSettingsAt]);
  if (!settings) return fail(kExecStage, EINVAL);
  if (const char* stage = apply(*settings)) return fail(stage, errno);
  execvp(argv[kProgramAt], argv + kWordsAt);
  return fail(kExecStage, errno);
}

std::optional<SpawnFailure> read_shim_report(int fd) {
  char report[64] = {}, stage[32] = {};
  int error = 0;
  if (read(fd, report, sizeof report - 1) <= 0) return std::nullopt;
  if (std::sscanf(report, "%31s %d", stage, &error) != 2) return std::nullopt;
  return SpawnFailure{stage, uv_translate_sys_error(error)};
}

std::string to_word(const ChildSettings& settings) {
  std::ostringstream words;
  if (settings.has_umask) words << kUmaskStage << ' ' << settings.umask << ' ';
  if (settings.has_nice) words << kNiceStage << ' ' << settings.nice << ' ';
  if (settings.takes_terminal) words << kTerminalStage << ' ';
  for (std::size_t i = 0; i < settings.limits; ++i) {
    const ResourceLimit& limit = settings.limit[i];
    words << limit.stage << ' ' << limit.value.rlim_cur << ' ' << limit.value.rlim_max << ' ';
  }
  return words.str();
}

std::optional<ChildSettings> settings_from_word(const std::string& word) {
  ChildSettings settings;
  std::istringstream words(word);
  for (std::string name; words >> name;)
    if (!read_setting(words, name, settings)) return std::nullopt;
  return settings;
}

}  // namespace runwire
