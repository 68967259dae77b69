#include "server/session_commands.hpp"

#include <algorithm>
#include <utility>

#include "server/log.hpp"

namespace runwire {
Exit exit_of(const std::string& id, const JobResult& result) {
  Exit exit;
  exit.id = id;
  exit.status = *result.header.status;
  exit.core = result.core;
  exit.reason = result.header.reason;
  exit.stdout_bytes = *result.header.stdout_bytes;
  exit.stderr_bytes = *result.header.stderr_bytes;
  exit.truncated = result.header.truncated;
  exit.cut = result.header.cut;
  exit.survivors = result.survivors;
  exit.usage = result.header.usage;
  return exit;
}

JobRequest request_for(const Start& start, StartWords words) {
  JobRequest request{std::move(words.line),
                     std::move(words.argv),
                     std::move(words.environment),
                     start.clear_env,
                     start.cwd,
                     start.takes_stdin,
                     {}};
  request.terms.form = start.reply;
  request.terms.linger = start.linger;
  request.terms.timeout_ms = start.timeout_ms;
  request.terms.idle_ms = start.idle_ms;
  request.limits = start.limits;
  request.pty = start.pty;
  return request;
}

// --- what the client says of them ---

bool SessionCommands::may_reply_whole() const {
  const std::size_t waiting = ground_.output.waiting_replies();
  if (commands_.size() + waiting < context_.max_replies) return true;  // however many they are
  const auto is_whole = [](const auto& entry) { return entry.second.form == ReplyForm::whole; };
  const auto whole = std::count_if(commands_.begin(), commands_.end(), is_whole);
  return waiting + static_cast<std::size_t>(whole) < context_.max_replies;
}

void SessionCommands::start(const Start& start, StartWords words, MemoryLease request_memory) {
  MemoryLease input_memory(context_.inputs);
  if (start.takes_stdin && !input_memory.extend(kStdinWindowBytes))
    return ground_.refuse(
        start.id, error_reply(error_name::kBusy, "too many commands with stdin at once; try again later"));
  JobRequest request = request_for(start, std::move(words));
  request.terms.mark = context_.jobs.next_mark();
  const auto job = context_.jobs.submit(ground_.client, std::move(request), this);
  if (!job)
    return ground_.refuse(start.id,
                          error_reply(error_name::kBusy, "too many commands wait already; try again later"));
  Command command{start.id,
                  start.reply,
                  start.takes_stdin,
                  0,
                  start.takes_stdin ? kStdinWindowBytes : 0,
                  0,
                  false,
                  {},
                  {},
                  {},
                  std::move(request_memory),
                  std::move(input_memory)};
  command.out.window = command.err.window = ground_.window.value_or(0);
  by_id_.emplace(command.id, *job);
  commands_.emplace(*job, std::move(command));
}

std::pair<const JobId, SessionCommands::Command>* SessionCommands::find(const std::string& id) {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &*commands_.find(found->second);
}

bool SessionCommands::take(const StdinBytes& input) {
  auto* found = find(input.id);
  if (found == nullptr) return false;
  check(found->second, input);
  found->second.input_ended = input.eof;
  return true;
}

void SessionCommands::check(const Command& command, const StdinBytes& input) {
  if (!command.takes_stdin)
    return ground_.fail(error_name::kProtocol, "stdin: the command was started without \"stdin\":true");
  if (command.input_ended) return ground_.fail(error_name::kProtocol, "stdin: it had ended already");
  if (input.off != command.input_off)
    return ground_.fail(error_name::kProtocol, "stdin: \"off\" is " + std::to_string(input.off) + " where " +
                                                   std::to_string(command.input_off) + " comes next");
  if (input.len > command.input_allowed - command.input_off)
    return ground_.fail(error_name::kProtocol, "stdin: more bytes than credit was given for");
}

bool SessionCommands::take_input(const StdinBytes& input, std::string_view bytes) {
  auto* found = find(input.id);
  if (found == nullptr) return false;
  found->second.input_off += bytes.size();
  if (Job* job = context_.jobs.find(found->first)) job->input().write(bytes);
  return true;
}

bool SessionCommands::end_input(const StdinBytes& input) {
  auto* found = find(input.id);
  if (found == nullptr) return false;
  if (Job* job = context_.jobs.find(found->first); job != nullptr && input.eof) job->input().end();
  return true;
}

bool SessionCommands::take(const Signal& signal) {
  auto* found = find(signal.id);
  if (found == nullptr) return false;
  if (Job* job = context_.jobs.find(found->first)) job->signal(signal.signal);
  return true;
}

bool SessionCommands::take(const Resize& resize) {
  auto* found = find(resize.id);
  if (found == nullptr) return false;
  if (Job* job = context_.jobs.find(found->first)) job->resize(resize.size);
  return true;
}

bool SessionCommands::take(const Stop& stop) {
  auto* found = find(stop.id);
  if (found == nullptr) return false;
  if (Job* job = context_.jobs.find(found->first)) job->stop_output(stop.stream);
  return true;
}

bool SessionCommands::take(const Credit& credit) {
  auto* found = find(credit.id);
  if (found == nullptr) return false;
  Flow& flow = flow_of(found->second, credit.stream);
  if (!ground_.may_be_credited(flow.window, credit)) return true;
  flow.window += credit.bytes;
  if (!std::exchange(flow.starved, false)) return true;
  if (Job* job = context_.jobs.find(found->first)) job->resume_output(credit.stream);
  return true;
}

bool SessionCommands::take(const Cancel& cancel) {
  auto* found = find(cancel.id);
  if (found == nullptr) return false;
  context_.jobs.cancel(found->first);
  return true;
}

// --- what becomes of them ---

// That it is started waits a moment for what else there is to say of it: with a short command that is all, and the
// client is woken once.
void SessionCommands::job_started(JobId id, pid_t pid) {
  const auto found = commands_.find(id);
  if (found == commands_.end()) return;
  found->second.request_memory = MemoryLease(context_.requests);
  if (found->second.form == ReplyForm::whole) return;
  found->second.untold_pid = pid;
  untold_.push_back(id);
  if (!tell_timer_) tell_timer_ = make_timer(context_.store.loop(), this);
  if (uv_is_active(as_handle(tell_timer_.get())) == 0)
    uv_timer_start(tell_timer_.get(), deliver<&SessionCommands::tell_older_ones>, kTellMs, 0);
}

void SessionCommands::tell_started(Command& command) {
  if (!command.untold_pid) return;
  ground_.output.hold(to_json(Started{command.id, *command.untold_pid, false}));
  command.untold_pid.reset();
}

void SessionCommands::tell_older_ones() {
  if (ground_.is_over) return;
  for (const JobId id : std::exchange(untold_, {}))
    if (const auto found = commands_.find(id); found != commands_.end()) tell_started(found->second);
  ground_.output.flush();
}

std::size_t SessionCommands::output_room(JobId id, StdStream stream) {
  const auto found = commands_.find(id);
  if (ground_.is_over || found == commands_.end()) return 0;
  Flow& flow = flow_of(found->second, stream);
  if (ground_.window && flow.window == 0) {
    flow.starved = true;
    return 0;
  }
  if (!ground_.output.has_room()) {
    if (!std::exchange(flow.blocked, true)) blocked_.emplace_back(id, stream);
    return 0;
  }
  return ground_.window ? static_cast<std::size_t>(std::min<std::uint64_t>(flow.window, kRelayBytes))
                        : kRelayBytes;
}

void SessionCommands::job_output(JobId id, StdStream stream, std::string_view bytes) {
  const auto found = commands_.find(id);
  if (ground_.is_over || found == commands_.end()) return;
  Flow& flow = flow_of(found->second, stream);
  tell_started(found->second);
  ground_.output.send(to_json(Output{found->second.id, stream, flow.sent, bytes.size(), false}), bytes);
  flow.sent += bytes.size();
  if (ground_.window) flow.window -= bytes.size();
}

void SessionCommands::input_taken(JobId id, std::size_t bytes) {
  const auto found = commands_.find(id);
  if (ground_.is_over || found == commands_.end()) return;
  Command& command = found->second;
  command.input_owed += bytes;
  if (command.input_owed < kCreditBytes || command.input_ended) return;
  command.input_allowed += command.input_owed;
  tell_started(command);
  ground_.output.send(to_json(Credit{command.id, StdStream::in, std::exchange(command.input_owed, 0)}));
}

void SessionCommands::input_closed(JobId id) {
  const auto found = commands_.find(id);
  if (ground_.is_over || found == commands_.end()) return;
  tell_started(found->second);
  ground_.output.send(to_json(Stop{found->second.id, StdStream::in}));
}

bool SessionCommands::finished(JobId id, JobResult& result) {
  const auto found = commands_.find(id);
  if (found == commands_.end()) return false;
  Command command = std::move(found->second);
  if (!result.header.error) tell_started(command);  // else it never ran
  by_id_.erase(command.id);
  commands_.erase(found);
  ground_.ended.add(command.id);
  if (!ground_.is_over) finish(command, std::move(result));
  return true;
}

void SessionCommands::finish(const Command& command, JobResult result) {
  if (result.header.error)
    return ground_.output.send(to_json(SessionError{command.id, *result.header.error}));
  Exit exit = exit_of(command.id, result);
  if (command.form == ReplyForm::stream) return ground_.output.send(to_json(exit));
  exit.len = result.header.len;
  const std::string header = to_json(exit);
  ground_.output.send(header, std::move(result));
}

SessionCommands::Flow& SessionCommands::flow_of(Command& command, StdStream stream) {
  return stream == StdStream::err ? command.err : command.out;
}

// In the order in which they were stopped: the first ones may fill the connection again.
void SessionCommands::resume_blocked() {
  for (const auto& [id, stream] : std::exchange(blocked_, {})) {
    const auto found = commands_.find(id);
    if (found == commands_.end()) continue;
    flow_of(found->second, stream).blocked = false;
    if (Job* job = context_.jobs.find(id)) job->resume_output(stream);
  }
}

}  // namespace runwire
