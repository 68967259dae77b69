// What is to be done about commands that a server keeps.
#pragma once

#include <string>
#include <vector>

namespace runwire {

enum class JobVerb { attach, ps, wait, logs, kill, rm };

struct JobRequest {
  JobVerb verb = JobVerb::ps;
  std::vector<std::string> ids;  // ps: none; rm: one and more; else one
  bool from_now = false;         // attach: without what the command has written already
  bool goes_on = false;          // logs: to the command's end
  int signal = 0;                // kill; 0: it and all that it has started are ended
};

}  // namespace runwire
