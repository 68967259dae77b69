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

std::vector<std::string> words_about(const Ending& ending, const Talk& talk) {
  std::vector<std::string> lines;
  const std::string by_server = ending.reason ? describe(*ending.reason) : "";
  if (ending.truncated)
    lines.push_back("the output is incomplete: it reached the server's limit on output (--max-output)");
  if (!by_server.empty() && !talk.quiet) lines.push_back(by_server);
  if (ending.cut && talk.verbose)
    lines.push_back("a process that the command left behind kept its output open: more may have followed");
  const bool says_status = talk.says_status && !talk.quiet && ending.status != ExitStatus::exited(0);
  if (says_status) lines.push_back(describe(ending.status));
  return lines;
}

}  // namespace runwire
