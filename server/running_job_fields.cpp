#include "server/running_job_fields.hpp"

#include <sys/types.h>

#include <cstdint>
#include <sstream>
#include <string>

#include "proto/exit_status.hpp"
#include "proto/message_fields.hpp"
#include "proto/outcome.hpp"
#include "server/input_pipe.hpp"
#include "server/spawn.hpp"
#include "server/termination.hpp"

namespace runwire {
namespace {

void write_end(JsonWriter& json, const ChildEnd& end) {
  json.begin_object("end");
  write_status(json, end.status);
  if (end.core) json.boolean("core", *end.core);
  write_usage(json, end.usage);
  json.end_object();
}

std::optional<ChildEnd> read_end(JsonFields& fields) {
  auto inner = fields.object("end");
  if (!inner) return std::nullopt;
  const auto status = read_status(*inner);
  if (!status) fields.fail("end", "has no status");
  return ChildEnd(status.value_or(ExitStatus::exited(255)), inner->boolean("core"), read_usage(*inner));
}

void write_termination(JsonWriter& json, const Termination::Image& termination) {
  if (!termination.has_begun) return;
  json.begin_object("termination").number("kills", termination.kills);
  if (termination.kill_due_ms) write_size(json, "kill_due_ms", *termination.kill_due_ms);
  if (termination.survivors) json.number("survivors", *termination.survivors);
  json.end_object();
}

Termination::Image read_termination(JsonFields& fields) {
  auto inner = fields.object("termination");
  if (!inner) return {};
  Termination::Image termination{true, 0, inner->size("kill_due_ms"), inner->number("survivors")};
  termination.kills = static_cast<int>(inner->number("kills").value_or(0));
  if (!inner->failure().empty()) fields.fail("termination", inner->failure());
  return termination;
}

void read_running_input(JsonFields& fields, InputPipe::Rest& input) {
  input.is_at_end = fields.flag("input_is_at_end");
  input.is_within_a_line = fields.flag("input_is_within_a_line");
  input.tells_end = fields.flag("input_tells_end");
}

void read_lingering(JsonFields& fields, RunningJob& running) {
  running.end = read_end(fields);
  running.lingers_since_ms = fields.size("lingers_since_ms");
  running.read_since_exit = fields.size("read_since_exit").value_or(0);
  running.handed_on_before_exit = {fields.size("out_before_exit").value_or(running.handed_on[0]),
                                   fields.size("err_before_exit").value_or(running.handed_on[1])};
  running.cut = fields.flag("cut");
}

}  // namespace

int read_descriptor(JsonFields& fields, std::string_view key) {
  return static_cast<int>(fields.number(key).value_or(-1));
}

void write_signals(JsonWriter& json, const std::vector<int>& signals) {
  std::string numbers;
  for (const int number : signals) {
    if (!numbers.empty()) numbers += ' ';
    numbers += std::to_string(number);
  }
  if (!numbers.empty()) json.text("signals", numbers);
}

std::vector<int> read_signals(JsonFields& fields) {
  std::vector<int> signals;
  std::istringstream numbers{std::string(fields.text("signals").value_or(""))};
  for (int number = 0; numbers >> number;) signals.push_back(number);
  if (!numbers.eof()) fields.fail("signals", "is no list of numbers");
  return signals;
}

void write_running(JsonWriter& json, const RunningJob& running) {
  json.begin_object("running").number("pid", running.pid).decimal("started_ms", running.started_ms);
  json.number("in", running.streams.in).number("out", running.streams.out).number("err", running.streams.err);
  json.text("cgroup", running.cgroup).boolean("has_terminal", running.has_terminal);
  write_true(json, "group_is_over", running.group_is_over);
  write_true(json, "input_is_at_end", running.input.is_at_end);
  write_true(json, "input_is_within_a_line", running.input.is_within_a_line);
  write_true(json, "input_tells_end", running.input.tells_end);
  write_signals(json, running.signals);
  write_size(json, "handed_on_out", running.handed_on[0]);
  write_size(json, "handed_on_err", running.handed_on[1]);
  if (running.timeout_due_ms) write_size(json, "timeout_due_ms", *running.timeout_due_ms);
  write_size(json, "last_output_ms", running.last_output_ms);
  if (running.ending) json.text("ending", name_of(*running.ending));
  write_termination(json, running.termination);
  if (running.end) write_end(json, *running.end);
  if (running.lingers_since_ms) write_size(json, "lingers_since_ms", *running.lingers_since_ms);
  write_size(json, "read_since_exit", running.read_since_exit);
  write_size(json, "out_before_exit", running.handed_on_before_exit[0]);
  write_size(json, "err_before_exit", running.handed_on_before_exit[1]);
  write_true(json, "cut", running.cut);
  json.end_object();
}

std::optional<RunningJob> read_running(JsonFields& fields) {
  auto inner = fields.object("running");
  if (!inner) return std::nullopt;
  RunningJob running;
  running.pid = static_cast<pid_t>(inner->number("pid").value_or(0));
  if (running.pid <= 1 && !inner->has("end")) fields.fail("running", "has no process");
  running.started_ms = inner->decimal("started_ms").value_or(0);
  running.streams.in = read_descriptor(*inner, "in");
  running.streams.out = read_descriptor(*inner, "out");
  running.streams.err = read_descriptor(*inner, "err");
  running.cgroup = inner->text("cgroup").value_or("");
  running.has_terminal = inner->flag("has_terminal");
  read_running_input(*inner, running.input);
  running.signals = read_signals(*inner);
  running.handed_on = {inner->size("handed_on_out").value_or(0), inner->size("handed_on_err").value_or(0)};
  running.timeout_due_ms = inner->size("timeout_due_ms");
  running.last_output_ms = inner->size("last_output_ms").value_or(0);
  running.group_is_over = inner->flag("group_is_over");
  running.ending = reason_named(inner->text("ending").value_or(""));
  running.termination = read_termination(*inner);
  read_lingering(*inner, running);
  if (!inner->failure().empty()) fields.fail("running", inner->failure());
  return running;
}

}  // namespace runwire
