#include "server/direct_call.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <climits>
#include <cstdlib>
#include <optional>

namespace runwire {
namespace {

// No character that means anything to a shell, in any place of a word.
constexpr std::string_view kPlainMarks = "_./,:=@%+-";
// Words that a shell does not look up in PATH (dash(1), POSIX XCU 2.4 and 2.14), and programs that show the
// environment, whose order a shell changes.
constexpr std::string_view kShellWords[] = {
    ".",        ":",        "alias",  "bg",    "break",   "case",  "cd",       "chdir",  "command",
    "continue", "do",       "done",   "echo",  "elif",    "else",  "env",      "esac",   "eval",
    "exec",     "exit",     "export", "false", "fc",      "fg",    "fi",       "for",    "getopts",
    "hash",     "if",       "in",     "jobs",  "kill",    "local", "printenv", "printf", "pwd",
    "read",     "readonly", "return", "set",   "shift",   "test",  "then",     "times",  "trap",
    "true",     "type",     "ulimit", "umask", "unalias", "unset", "until",    "wait",   "while",
};
// Variables that dash resets before it passes them on.
constexpr std::string_view kReset[] = {"IFS", "LINENO", "OPTIND", "PPID"};

bool is_plain(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || kPlainMarks.find(c) != std::string_view::npos;
}

bool is_name(std::string_view text) {
  const bool starts_well = !text.empty() && std::isdigit(static_cast<unsigned char>(text[0])) == 0;
  return starts_well && std::all_of(text.begin(), text.end(), [](char c) {
           return c == '_' || std::isalnum(static_cast<unsigned char>(c)) != 0;
         });
}

std::optional<std::vector<std::string>> plain_words(std::string_view command) {
  std::vector<std::string> words;
  if (command.ends_with('\n')) command.remove_suffix(1);
  bool in_word = false;
  for (char c : command) {
    if (c != ' ' && !is_plain(c)) return std::nullopt;
    if (c != ' ' && !in_word) words.emplace_back();
    in_word = c != ' ';
    if (in_word) words.back() += c;
  }
  return words;
}

bool needs_shell(std::string_view program) {
  if (program.find('=') != program.npos) return true;  // an assignment
  // A word with a slash is no shell's word, but what it names may show the environment.
  if (program.find('/') != program.npos) return program.ends_with("/env") || program.ends_with("/printenv");
  return std::find(std::begin(kShellWords), std::end(kShellWords), program) != std::end(kShellWords);
}

bool is_dash(const std::string& shell) {
  char* resolved = realpath(shell.c_str(), nullptr);
  if (resolved == nullptr) return false;
  const bool dash = std::string_view(resolved).ends_with("/dash");
  std::free(resolved);
  return dash;
}

bool is_same_directory(const std::string& a, const std::string& b) {
  struct stat first {
  }, second{};
  return stat(a.c_str(), &first) == 0 && stat(b.c_str(), &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

// What dash puts into PWD: the inherited value while it names the directory, else the directory's real path.
std::string working_directory(const std::string& cwd, const std::string& inherited) {
  if (inherited.starts_with('/') && is_same_directory(inherited, cwd)) return inherited;
  char* resolved = realpath(cwd.c_str(), nullptr);
  std::string path = resolved == nullptr ? cwd : resolved;
  std::free(resolved);
  return path;
}

}  // namespace

DirectCalls::DirectCalls(const std::string& shell, const std::string& cwd, char* const* environment) {
  possible_ = import_environment(environment, cwd) && is_dash(shell) && !path_.empty();
  for (std::string& variable : variables_) environment_.push_back(variable.data());
  environment_.push_back(nullptr);
}

bool DirectCalls::import_environment(char* const* environment, const std::string& cwd) {
  std::string pwd;
  for (; *environment != nullptr; ++environment) {
    const std::string_view variable = *environment;
    const std::string_view name = variable.substr(0, variable.find('='));
    const std::string_view value = name.size() < variable.size() ? variable.substr(name.size() + 1) : "";
    if (std::find(std::begin(kReset), std::end(kReset), name) != std::end(kReset)) return false;
    if (name == "PWD") pwd = value;
    if (!is_name(name) || name == "PWD" || name.size() == variable.size()) continue;  // the shell drops these
    variables_.emplace_back(variable);
    for (std::size_t at = 0; name == "PATH" && at <= value.size();) {
      const std::size_t end = std::min(value.find(':', at), value.size());
      path_.emplace_back(value.substr(at, end - at));
      at = end + 1;
    }
  }
  variables_.push_back("PWD=" + working_directory(cwd, pwd));
  return std::all_of(path_.begin(), path_.end(), [](const std::string& dir) { return dir.starts_with('/'); });
}

std::vector<std::string> DirectCalls::search_path(std::string_view program) const {
  if (program.find('/') != program.npos) return {std::string(program)};
  std::vector<std::string> paths;
  for (const std::string& dir : path_) paths.push_back(dir + "/" + std::string(program));
  return paths;
}

DirectCall DirectCalls::plan(std::string_view command) const {
  if (!possible_) return {};
  auto words = plain_words(command);
  if (!words || words->empty()) return {};
  if (needs_shell(words->front()) || command.find("environ") != command.npos) return {};
  auto paths = search_path(words->front());
  return {std::move(paths), std::move(*words)};
}

}  // namespace runwire
