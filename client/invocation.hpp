// What a command line takes from the process around it, and what comes out of it: the same for every name that the
// program has.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "client/command_request.hpp"
#include "client/hosts.hpp"
#include "client/job_request.hpp"
#include "proto/result.hpp"

namespace runwire {

struct Environment {
  std::string runwire_host;     // RUNWIRE_HOST; empty: unset
  std::string xdg_runtime_dir;  // XDG_RUNTIME_DIR; empty: unset
  unsigned uid = 0;
  std::vector<std::string> variables = {};    // all of them, NAME=VALUE
  std::function<Result<Hosts>()> hosts = {};  // reads hosts.toml; asked only if a word may be a name of it
};

struct Invocation {
  enum Task { run_line, prompt, job_verb, help, job_help, version, print } task = prompt;
  CommandRequest
      request;         // of run_line, check_words() has passed it; the prompt takes its words line by line
  JobRequest job;      // of job_verb, whose `request` says where and how alone
  bool plain = false;  // in the original protocol: `request` is for the shell and says nothing else
  std::vector<std::string> notes;  // what was asked for and is not done here; to be said with -v
  std::string text;                // of print, for stdout
};

}  // namespace runwire
