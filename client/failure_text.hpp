// What is said about a command that failed, was ended or may have run: the same words whichever protocol it was.
#pragma once

#include <string>
#include <vector>

#include "proto/outcome.hpp"

namespace runwire {

// What runwire exits with when it is not a command's status: no connection, no whole reply, an error from the server,
// wrong usage, output that could not be written. As ssh has it.
inline constexpr int kOwnFailureStatus = 255;

// To be appended to a cause.
inline constexpr const char* kUnknownOutcome =
    "; what became of the command is unknown, the server's log may tell";
inline constexpr const char* kNotRunwired = "; is it a runwired that listens there? Check HOST and its port";

// The server's reason not to run a command, and the next step.
std::string describe(const ErrorReply& error);

// How a command ended that did run.
struct Ending {
  ExitStatus status = ExitStatus::exited(kOwnFailureStatus);
  std::optional<Reason> reason;
  bool truncated = false;
  bool cut = false;
};

// How much is said.
struct Talk {
  bool verbose = false;      // also what is no failure
  bool quiet = false;        // failures only
  bool says_status = false;  // how a command ended unless that was status 0
};

// What a program that ran the command for somebody exits with: the command's status, 128 + n for signal n; 255 where
// its output is incomplete, or where the server ended it and yet says 0, which is no success.
int exit_status_of(const Ending& ending);

// What there is to say about it, line for line.
std::vector<std::string> words_about(const Ending& ending, const Talk& talk);

}  // namespace runwire
