#include "client/ssh_cli.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <utility>

#include "client/destination.hpp"
#include "client/ssh_options.hpp"
#include "proto/limits.hpp"

namespace runwire {
namespace {

// A login shell for a person, and not for a program, which has no use for what one may say.
constexpr std::string_view kShell = R"([ -t 0 ] && exec "${SHELL:-/bin/sh}" -l; exec "${SHELL:-/bin/sh}")";

// Where the distributions keep it: Debian, Fedora, Arch and SUSE, the BSDs and macOS; else somewhere in PATH.
constexpr std::string_view kSftpServer =
    "for server in /usr/lib/openssh/sftp-server /usr/libexec/openssh/sftp-server /usr/lib/ssh/sftp-server "
    "/usr/libexec/sftp-server; do [ -x \"$server\" ] && exec \"$server\"; done; exec sftp-server";

Invocation printed(std::string text) {
  Invocation invocation;
  invocation.task = Invocation::print;
  invocation.text = std::move(text);
  return invocation;
}

// As `ssh -G` has it, for programs that look whether they are talking to an ssh.
std::string settings(const SshOptions& options, const CommandRequest& request,
                     const Environment& environment) {
  const auto own_name = find_variable(environment.variables, "USER");
  std::string text;
  if (options.user || own_name)
    text += "user " + options.user.value_or(std::string(own_name.value_or(""))) + "\n";
  const Address& address = request.address;
  text += "hostname " + (address.is_unix() ? to_string(address) : address.host) + "\n";
  if (!address.is_unix()) text += "port " + std::to_string(address.port) + "\n";
  return text;
}

// What SendEnv and SetEnv ask for; ssh sends the latter last.
void set_variables(const SshOptions& options, const Environment& environment,
                   std::vector<std::string>& variables) {
  for (const std::string& variable : environment.variables) {
    const std::string name = variable.substr(0, variable.find('='));
    const auto fits = [&](const std::string& pattern) {
      return ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
    };
    if (std::any_of(options.send_env.begin(), options.send_env.end(), fits))
      set_variable(variables, variable);
  }
  if (!options.set_env) return;
  for (const std::string& variable : *options.set_env) set_variable(variables, variable);
}

Result<std::string> line_of(const SshOptions& options) {
  const std::string remote = options.remote_command.value_or("");
  if (!remote.empty() && !options.command.empty())
    return Error{Errc::invalid_argument,
                 "RemoteCommand is one command and '" + options.command + "' another; leave one of them out"};
  const std::string& command = remote.empty() ? options.command : remote;
  if (!options.is_subsystem.value_or(false)) return command.empty() ? std::string(kShell) : command;
  if (command == "sftp") return std::string(kSftpServer);
  return Error{Errc::invalid_argument,
               "there is no subsystem '" + command + "', only sftp; without -s it would be run as a command"};
}

Status read_destination(const SshOptions& options, const Environment& environment, Invocation& invocation) {
  const auto destination = find_destination(options.host_name.value_or(options.host),
                                            options.port.value_or(kDefaultPort), environment);
  RUNWIRE_TRY(destination);
  set_destination(invocation.request, *destination);
  const bool has_port_already = destination->is_named || destination->entry.address.is_unix();
  if (options.port && has_port_already)
    invocation.notes.push_back("port " + std::to_string(*options.port) + " is ignored: HOST is " +
                               to_string(destination->entry.address));
  return Ok{};
}

Result<Invocation> read_request(const SshOptions& options, const Environment& environment) {
  Invocation invocation;
  CommandRequest& request = invocation.request;
  invocation.task = Invocation::run_line;
  invocation.notes = options.notes;
  RUNWIRE_TRY(read_destination(options, environment, invocation));
  if (options.prints_settings) return printed(settings(options, request, environment));
  if (options.user)
    invocation.notes.push_back("user '" + *options.user +
                               "' is ignored: runwired runs commands as its own user");
  auto line = line_of(options);
  RUNWIRE_TRY(line);
  request.shell = true;
  request.words.line = std::move(*line);
  const bool is_shell = request.words.line == kShell;
  request.terminal = options.terminal.value_or(is_shell ? TerminalWish::as_here : TerminalWish::never);
  request.linger = Linger::wait;
  request.leaves_on_signal = true;
  request.forwards_stdin = !options.null_stdin.value_or(false);
  request.quiet = options.telling == SshOptions::Telling::failures;
  request.verbose = options.telling == SshOptions::Telling::all;
  if (options.connect_timeout.value_or(std::chrono::milliseconds(0)).count() > 0)
    request.connect_timeout = *options.connect_timeout;
  set_variables(options, environment, request.words.environment);
  RUNWIRE_TRY(check_words(request));
  return invocation;
}

}  // namespace

bool is_ssh_name(std::string_view program) {
  const std::string_view name = program.substr(program.rfind('/') + 1);
  return name == "ssh" || name.ends_with("runwire-ssh");
}

Result<Invocation> parse_ssh_command_line(const std::vector<std::string>& words,
                                          const Environment& environment) {
  const auto options = parse_ssh_options(words);
  RUNWIRE_TRY(options);
  if (options->prints_version) return printed("runwire-ssh " RUNWIRE_VERSION "\n");
  if (options->host.empty())
    return Error{
        Errc::invalid_argument,
        "no host; write runwire-ssh [OPTIONS] [USER@]HOST [COMMAND...], as for ssh; docs/ssh.md tells more"};
  return read_request(*options, environment);
}

}  // namespace runwire
