#include "client/relay_ending.hpp"

#include <unistd.h>

#include <utility>
#include <vector>

#include "client/output.hpp"
#include "proto/json_writer.hpp"

namespace runwire {
namespace {

constexpr int kTimeoutStatus = 124;    // as timeout(1) has it
constexpr int kCannotRunStatus = 126;  // these two as every shell has them
constexpr int kNoSuchProgramStatus = 127;

int status_of_refusal(const ErrorReply& error) {
  if (error.error != error_name::kSpawn || error.stage != "exec") return kOwnFailureStatus;
  return error.errno_name == "ENOENT" ? kNoSuchProgramStatus : kCannotRunStatus;
}

Ending ending_of(const Exit& exit) { return {exit.status, exit.reason, exit.truncated, exit.cut}; }

std::vector<std::string> words_about(const Exit& exit, const std::string& json, const Talk& talk) {
  std::vector<std::string> lines = words_about(ending_of(exit), talk);
  if (exit.survivors.value_or(0) > 0 && !talk.quiet)
    lines.push_back(std::to_string(*exit.survivors) + " of the command's processes could not be ended");
  if (talk.verbose) lines.push_back("exit record: " + json);
  return lines;
}

std::string words_about(const RelayEnding& ending, const ErrorReply& error) {
  const bool was_running = ending.was_started && ending.refusal->id.empty();
  if (!was_running) return describe(error);
  return "the server ended the session: " + error.error + ": " + error.message + kUnknownOutcome;
}

}  // namespace

std::string to_json(const Error& error) {
  JsonWriter json;
  json.text("type", "error");
  write_error(json, {"client", error.message, "", "", std::nullopt});
  return std::move(json).finish();
}

int exit_status_of(const RelayEnding& ending) {
  if (ending.left_by_signal != 0) return ExitStatus::killed(ending.left_by_signal).shell_status();
  if (ending.failure || ending.has_gaps) return kOwnFailureStatus;
  const bool is_enough = ending.was_enough && !ending.reader_has_gone;
  if (!ending.exit && !ending.refusal) return is_enough ? 0 : kOwnFailureStatus;
  if (ending.refusal) return status_of_refusal(ending.refusal->error);
  const bool timed_out =
      ending.exit->reason == Reason::timeout || ending.exit->reason == Reason::idle_timeout;
  return timed_out && !ending.exit->truncated ? kTimeoutStatus : exit_status_of(ending_of(*ending.exit));
}

void tell(const RelayEnding& ending, const Talk& talk) {
  std::vector<std::string> lines;
  if (ending.exit) lines = words_about(*ending.exit, ending.json, talk);
  if (ending.refusal) lines.push_back(words_about(ending, ending.refusal->error));
  if (ending.failure) lines.push_back(ending.failure->message);
  if (!lines.empty() && ending.leaves_line_unfinished) (void)write_fully(STDERR_FILENO, "\n", "stderr");
  for (const std::string& line : lines) say(line);
}

}  // namespace runwire
