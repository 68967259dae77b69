// What a client asks to be run, and on what terms.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proto/session_message.hpp"

namespace runwire {

// How a command is treated while it runs and when it is over.
struct JobTerms {
  std::uint64_t max_output_bytes = 0;  // of an output that is kept; beyond it the command is ended
  ReplyForm form = ReplyForm::whole;   // whole: output is kept until the end; stream: handed on as it comes
  Linger linger = Linger::grace;
  std::optional<std::uint64_t> timeout_ms = {};  // from its start; 0: never
  std::optional<std::uint64_t> idle_ms = {};     // without output; 0: never
  // By which its processes are known wherever they went (see server/process_tree.hpp), so that its end reaches all of
  // them; empty: only its process group is ended.
  std::string mark = {};
  bool wants_cgroup = false;  // where there are such: nothing that it leaves behind is overlooked at its end
};

struct JobRequest {
  std::string command;                 // for the shell ...
  std::vector<std::string> argv = {};  // ... or, not empty, to be run as they are
  std::vector<std::string> environment = {};
  bool clear_environment = false;
  std::string cwd = {};  // from the daemon's; empty: that one
  bool takes_stdin = false;
  JobTerms terms = {};
  CommandLimits limits = {};
  std::optional<PtyWish> pty = {};
};

}  // namespace runwire
