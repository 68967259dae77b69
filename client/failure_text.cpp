#include "client/failure_text.hpp"

namespace runwire {
namespace {

// Empty where there is nothing to add to the exit status.
std::string describe(Reason reason) {
  switch (reason) {
    case Reason::exited:
    case Reason::signal:
    case Reason::output_limit:  // `truncated` says it
      return "";
    default:
      return "the server ended the command: " + std::string(name_of(reason));
  }
}

// Ended for no fault of its own, whatever it made of that: a trap may exit with 0.
bool was_broken_off(const Ending& ending) {
  return ending.reason == Reason::output_limit || ending.reason == Reason::client_gone ||
         ending.reason == Reason::shutdown;
}

bool is_false_success(const Ending& ending) {
  return was_broken_off(ending) && ending.status == ExitStatus::exited(0);
}

std::string describe(const ExitStatus& status) {
  const std::string number = std::to_string(status.shell_status());
  return status.by_signal()
             ? "killed by signal " + signal_name(status.signal()) + " (exit status " + number + ")"
             : "exit status " + number;
}

}  // namespace

std::string describe(const ErrorReply& error) {
  std::string text = "the server did not run the command: " + error.error;
  if (!error.message.empty()) text += ": " + error.message;
  if (!error.stage.empty())
    text += " (at " + error.stage + (error.errno_name.empty() ? "" : ", " + error.errno_name) + ")";
  if (error.retry_ms) return text + "; wait at least " + std::to_string(*error.retry_ms) + " ms";
  return error.error == error_name::kBusy ? text + "; try again later" : text;
}

int exit_status_of(const Ending& ending) {
  return ending.truncated || is_false_success(ending) ? kOwnFailureStatus : ending.status.shell_status();
}

std::vector<std::string> words_about(const Ending& ending, const Talk& talk) {
  std::vector<std::string> lines;
  const std::string by_server = ending.reason ? describe(*ending.reason) : "";
  if (ending.truncated)
    lines.push_back("the output is incomplete: it reached the server's limit on output (--max-output)");
  if (is_false_success(ending))
    lines.push_back("the server ended the command: " + std::string(name_of(*ending.reason)) +
                    "; its exit status 0 is no success");
  else if (!by_server.empty() && !talk.quiet)
    lines.push_back(by_server);
  if (ending.cut && talk.verbose)
    lines.push_back("a process that the command left behind kept its output open: more may have followed");
  const bool says_status = talk.says_status && !talk.quiet && ending.status != ExitStatus::exited(0);
  if (says_status) lines.push_back(describe(ending.status));
  return lines;
}

}  // namespace runwire
