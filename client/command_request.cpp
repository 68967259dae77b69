#include "client/command_request.hpp"

#include <algorithm>

#include "client/shell_line.hpp"
#include "proto/limits.hpp"

namespace runwire {
namespace {

bool is_of(std::string_view variable, std::string_view name) {
  return variable.size() > name.size() && variable.starts_with(name) && variable[name.size()] == '=';
}

Status check_argv(const std::vector<std::string>& argv) {
  if (argv.empty() || argv[0].empty())
    return Error{Errc::invalid_argument, "the program's name is empty; name a program to run"};
  return Ok{};
}

}  // namespace

void set_variable(std::vector<std::string>& environment, std::string_view variable) {
  const std::string_view name = variable.substr(0, variable.find('='));
  const auto place = std::find_if(environment.begin(), environment.end(),
                                  [&](const auto& each) { return is_of(each, name); });
  if (place == environment.end())
    environment.emplace_back(variable);
  else
    *place = variable;
}

std::optional<std::string_view> find_variable(const std::vector<std::string>& environment,
                                              std::string_view name) {
  for (const std::string_view each : environment)
    if (is_of(each, name)) return each.substr(name.size() + 1);
  return std::nullopt;
}

Status check_words(const CommandRequest& request) {
  RUNWIRE_TRY(request.shell ? check_shell_line(request.words.line) : check_argv(request.words.argv));
  const std::size_t bytes = join_start_payload(request.words, request.shell).size();
  if (bytes > kMaxSessionPayloadBytes)
    return Error{Errc::invalid_argument, "the command and its variables have " + std::to_string(bytes) +
                                             " bytes and may have " +
                                             std::to_string(kMaxSessionPayloadBytes) +
                                             "; put them into a file there, and run the file"};
  return Ok{};
}

}  // namespace runwire
