// The program that stands between uv_spawn() and a command which is to have limits of its own or a terminal: this one,
// executed again. It sets what it is told and becomes the command, under the same pid; what fails it tells through a
// pipe that an exec closes.
//
// The same file and not one beside it: so it is there wherever the daemon is, and of the same version even when the
// file on disk has been replaced.
//
// Only the portable spawner needs it: on Linux a child sets these itself on its way to exec (see server/birth.hpp).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/child_settings.hpp"
#include "server/spawn.hpp"

namespace runwire {

inline constexpr int kShimReportFd = 4;  // behind the script's; the shim's end of that pipe

// How this program is executed again; "/proc/self/exe" where there is such a thing.
std::string own_executable();

// `program` is what to exec, found already; argv[0] and what follows are its words.
std::vector<std::string> shim_call(const ChildSettings& settings, const std::string& program,
                                   const std::vector<std::string>& argv);

// Whether main() was started by shim_call(). It must ask before it does anything else.
bool is_shim_call(int argc, char** argv);
// Returns only what to exit with, the report being written. REQUIRES: is_shim_call().
int run_shim(char** argv);

// What came through the pipe; nothing where the command runs. The path of a failed exec is not told.
std::optional<SpawnFailure> read_shim_report(int fd);

// The settings as one word, and back; nothing where it makes no sense.
std::string to_word(const ChildSettings& settings);
std::optional<ChildSettings> settings_from_word(const std::string& word);

}  // namespace runwire
