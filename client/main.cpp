#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "client/charset.hpp"
#include "client/cli.hpp"
#include "client/job_cli.hpp"
#include "client/job_verbs.hpp"
#include "client/output.hpp"
#include "client/prompt.hpp"
#include "client/relay.hpp"
#include "client/ssh_cli.hpp"

namespace runwire {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

int fail(const Error& error) {
  say(error.message);
  return kOwnFailureStatus;
}

int print(std::string_view text) {
  const auto written = write_fully(STDOUT_FILENO, text, "stdout");
  if (!written && written.error().errno_value == EPIPE) end_by_broken_pipe();
  return written ? 0 : fail({Errc::io, written.error().message + "; the rest of this text is lost"});
}

int run_once(RemoteShell::Options options, const std::string& line) {
  auto shell = RemoteShell::open(std::move(options));
  if (!shell) return fail(shell.error());
  const Outcome outcome = shell->run(line);
  shell->close();
  return outcome.exit_status;
}

Environment read_environment() {
  Environment environment = {variable("RUNWIRE_HOST"), variable("XDG_RUNTIME_DIR"), ::getuid()};
  for (char** each = environ; each != nullptr && *each != nullptr; ++each)
    environment.variables.emplace_back(*each);
  environment.hosts = [path = hosts_path(variable("XDG_CONFIG_HOME"), variable("HOME"))] {
    return read_hosts(path);
  };
  return environment;
}

int run(std::string_view program, const std::vector<std::string>& words) {
  const auto parse = is_ssh_name(program) ? parse_ssh_command_line : parse_command_line;
  auto invocation = parse(words, read_environment());
  if (!invocation) return fail(invocation.error());
  const CommandRequest& request = invocation->request;
  if (request.verbose)
    for (const std::string& note : invocation->notes) say(note);
  switch (invocation->task) {
    case Invocation::help:
      return print(help_text());
    case Invocation::job_help:
      return print(job_help_text());
    case Invocation::job_verb:
      return run_job_verb(request, invocation->job);
    case Invocation::version:
      return print("runwire " RUNWIRE_VERSION "\n");
    case Invocation::print:
      return print(invocation->text);
    case Invocation::run_line:
      return invocation->plain ? run_once(plain_options(request), request.words.line) : run_command(request);
    case Invocation::prompt:
      break;
  }
  return run_prompt(request, invocation->plain);
}

}  // namespace
}  // namespace runwire

int main(int argc, char** argv) {
  // A reader that has gone is told by write(2); there are no children to inherit this.
  std::signal(SIGPIPE, SIG_IGN);
  const char* name = argc > 0 ? argv[0] : "";
  runwire::occupy_standard_descriptors(runwire::is_ssh_name(name));
  runwire::adopt_locale();
  return runwire::run(name, std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
