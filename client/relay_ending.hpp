// How the relaying of a command went.
#pragma once

#include <optional>
#include <string>

#include "client/failure_text.hpp"
#include "proto/result.hpp"
#include "proto/session_message.hpp"

namespace runwire {

// Of `exit` and `refusal` at most one is there; `failure` may come on top, and then counts.
struct RelayEnding {
  std::optional<Exit> exit;             // the command ran
  std::optional<SessionError> refusal;  // it did not, or the server has ended the session
  std::string json;                     // the header of one of these, as it came
  std::optional<Error> failure;         // ours: no end is known, or not all output was written here
  bool was_started = false;
  bool was_enough = false;              // what was wanted of it has come, which is not its end
  bool has_gaps = false;                // the server has given up some of the output
  bool reader_has_gone = false;         // of our own output: nothing more was wanted of it
  bool was_relayed = false;             // whoever reads --json has been told of it, as far as he could be
  bool was_interrupted = false;         // the failure is that somebody here wanted no more of it
  bool leaves_line_unfinished = false;  // on the terminal where more is said of it
  int left_by_signal = 0;  // this signal ended our part of it, and is to show in the status; 0: none

  bool is_over() const { return exit || refusal || failure || was_enough; }
};

// A failure of ours as if a server had told it, under a name that no server uses.
std::string to_json(const Error& error);

// What a program that ran the command for somebody exits with: the command's status, 128 + n for signal n, whichever
// side it ended; 127 where there was no such program and 126 where it can't be run, 124 for a timeout, 255 for
// everything else: output that is incomplete, or that its reader wanted no more of before the end, too.
int exit_status_of(const RelayEnding& ending);

// Says on stderr what there is to say about it.
void tell(const RelayEnding& ending, const Talk& talk);

}  // namespace runwire
