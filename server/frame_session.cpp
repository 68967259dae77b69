#include "server/frame_session.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "server/log.hpp"

namespace runwire {
namespace {

constexpr std::size_t kRecentIds = 1024;
constexpr std::size_t kWordBytes = 32;  // what a word of a start takes beside its bytes
constexpr unsigned kTellMs = 3;         // so long the news of a start may wait for other news of the command
// Credit is worth a frame from here on.
constexpr std::uint64_t kCreditBytes = kStdinWindowBytes / 2;

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

// To run the command without it would be something else than what was asked for.
std::string_view unsupported_key(const Start& start) {
  if (start.pty) return "pty";
  if (start.keep_ms) return "keep_ms";
  if (start.limits != CommandLimits{}) return "limits";
  return start.full == Full::block ? "" : "full";
}

std::string_view verb_of(const Attach&) { return "attach"; }
std::string_view verb_of(const Detach&) { return "detach"; }
std::string_view verb_of(const Cancel&) { return "cancel"; }
std::string_view verb_of(const Forget&) { return "forget"; }
std::string_view verb_of(const Resize&) { return "resize"; }

}  // namespace

FrameSession::FrameSession(ConnectionId id, ByteChannel& channel, const Context& context)
    : id_(id),
      channel_(channel),
      context_(context),
      hello_due_ms_(uv_now(context.store.loop()) + kHelloMs),
      payload_memory_(context.requests),
      ended_(kRecentIds),
      output_(
          context.store, channel, [this] { has_room(); },
          [this] {
            enter(State::over);
            channel_.drop("spill-unreadable");
          }) {}

// --- what the client says ---

void FrameSession::received(std::string_view bytes) {
  if (state_ == State::over) return await_life();
  missed_pings_ = 0;
  if (state_ == State::preface) bytes = take_preface(bytes);
  if (state_ == State::over) return;
  output_.cork();
  reader_.feed(bytes);
  take_pieces();
  output_.uncork();
  if (state_ != State::over) await_life();
}

std::string_view FrameSession::take_preface(std::string_view bytes) {
  const std::size_t taken = std::min(preface_left_, bytes.size());
  const std::string_view expected = kPreface.substr(kPreface.size() - preface_left_, taken);
  if (bytes.substr(0, taken) != expected) {
    fail(error_name::kProtocol,
         "a connection that begins with NUL is a session and begins with 00 52 57 01: \"RW\" and version 1");
    return {};
  }
  preface_left_ -= taken;
  if (preface_left_ == 0) enter(State::hello);
  return bytes.substr(taken);
}

void FrameSession::take_pieces() {
  while (state_ != State::over) {
    const Piece piece = reader_.next();
    switch (piece.kind) {
      case Piece::need_more:
        return;
      case Piece::header:
        take_header(piece.bytes);
        break;
      case Piece::payload:
        take_payload(piece.bytes);
        break;
      case Piece::end:
        take_end();
        break;
      case Piece::broken:
        fail(error_name::kProtocol, reader_.error());
    }
  }
}

void FrameSession::take_header(std::string_view json) {
  ++frames_this_turn_;
  auto message = parse_client_message(json);
  if (!message) return fail(error_name::kProtocol, message.error().message);
  const bool is_hello = std::holds_alternative<ClientHello>(*message);
  if (is_hello != (state_ == State::hello))
    return fail(error_name::kProtocol,
                is_hello ? "hello: it was said already" : "a session begins with hello");
  message_ = std::move(*message);
  reader_.expect_payload(payload_bytes(message_));
  // What has a payload acts as that comes, or behind it.
  if (const auto* input = std::get_if<StdinBytes>(&message_)) return take(*input);
  if (std::holds_alternative<Start>(message_)) begin_start();
}

void FrameSession::begin_start() {
  payload_.clear();
  payload_lost_ = false;
}

void FrameSession::take_payload(std::string_view bytes) {
  if (const auto* input = std::get_if<StdinBytes>(&message_)) {
    const auto found = by_id_.find(input->id);
    if (found == by_id_.end()) return;
    commands_.at(found->second).input_off += bytes.size();
    if (Job* job = context_.jobs.find(found->second)) job->input().write(bytes);
  } else if (std::holds_alternative<Start>(message_) && !payload_lost_) {
    payload_lost_ = !payload_memory_.extend(bytes.size());
    if (!payload_lost_) payload_ += bytes;
  }
}

void FrameSession::take_end() {
  if (const auto* input = std::get_if<StdinBytes>(&message_)) {
    const auto found = by_id_.find(input->id);
    if (!input->eof || found == by_id_.end()) return;
    if (Job* job = context_.jobs.find(found->second)) job->input().end();
    return;
  }
  const ClientMessage message = std::move(message_);
  message_ = Ping{};
  std::visit([this](const auto& each) { take(each); }, message);
}

void FrameSession::take(const ClientHello& hello) {
  window_ = hello.window;
  enter(State::open);
  output_.send(to_json(context_.hello));
  if (winding_up_) end_if_idle();
}

void FrameSession::take(Start start) {
  if (start.id.empty()) start.id = make_id();
  const std::string payload = std::exchange(payload_, {});
  MemoryLease memory = std::exchange(payload_memory_, MemoryLease(context_.requests));
  // A word has a byte at least: more of them than that are not there.
  const std::uint64_t words_there = std::min(start.argc + start.envc, start.len);
  payload_lost_ = payload_lost_ || !memory.extend(kWordBytes * words_there);
  if (ErrorReply error = objection_to(start); !error.error.empty()) return refuse(start.id, std::move(error));
  auto words = split_start_payload(start, payload);
  if (!words) return fail(error_name::kProtocol, words.error().message);
  this->start(start, std::move(*words), std::move(memory));
}

ErrorReply FrameSession::objection_to(const Start& start) const {
  if (by_id_.contains(start.id))
    return error_reply(error_name::kConflict,
                       "a running command of this session has that id; choose another");
  if (const std::string_view key = unsupported_key(start); !key.empty())
    return error_reply(error_name::kUnsupported, "this runwired does not know \"" + std::string(key) +
                                                     "\" in a start; nothing was run");
  if (winding_up_)
    return error_reply(error_name::kShutdown, "runwired is shutting down and did not start this command");
  if (payload_lost_) return error_reply(error_name::kBusy, "too many long commands at once; try again later");
  if (start.reply == ReplyForm::whole && whole_replies() >= context_.max_replies)
    return error_reply(error_name::kBusy,
                       "too many whole replies of this session are to come; read some, or stream");
  return {};
}

std::size_t FrameSession::whole_replies() const {
  const auto is_whole = [](const auto& entry) { return entry.second.form == ReplyForm::whole; };
  if (commands_.size() + output_.waiting_replies() < context_.max_replies) return 0;  // however many they are
  return output_.waiting_replies() +
         static_cast<std::size_t>(std::count_if(commands_.begin(), commands_.end(), is_whole));
}

JobRequest FrameSession::request_for(const Start& start, StartWords words) const {
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
  request.terms.mark = context_.jobs.next_mark();
  return request;
}

void FrameSession::start(const Start& start, StartWords words, MemoryLease request_memory) {
  log::debug("command")
      .add("conn", static_cast<std::int64_t>(id_))
      .add("bytes", start.shell ? words.line : words.argv.front());
  MemoryLease input_memory(context_.inputs);
  if (start.takes_stdin && !input_memory.extend(kStdinWindowBytes))
    return refuse(start.id,
                  error_reply(error_name::kBusy, "too many commands with stdin at once; try again later"));
  const auto job = context_.jobs.submit(id_, request_for(start, std::move(words)), this);
  if (!job)
    return refuse(start.id,
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
  command.out.window = command.err.window = window_.value_or(0);
  by_id_.emplace(command.id, *job);
  commands_.emplace(*job, std::move(command));
}

std::string FrameSession::make_id() {
  std::string id;
  do id = std::to_string(++last_made_id_).insert(0, 1, 'r');
  while (by_id_.contains(id));
  return id;
}

std::pair<const JobId, FrameSession::Command>* FrameSession::find(const std::string& id) {
  const auto found = by_id_.find(id);
  if (found != by_id_.end()) return &*commands_.find(found->second);
  if (!ended_.contains(id) && !ended_.has_forgotten())
    fail(error_name::kUnknown, "no command of this session has had the id " + log::escape(id));
  return nullptr;
}

void FrameSession::take(const StdinBytes& input) {
  auto* found = find(input.id);
  if (found == nullptr) return;
  Command& command = found->second;
  if (!command.takes_stdin)
    return fail(error_name::kProtocol, "stdin: the command was started without \"stdin\":true");
  if (command.input_ended) return fail(error_name::kProtocol, "stdin: it had ended already");
  if (input.off != command.input_off)
    return fail(error_name::kProtocol, "stdin: \"off\" is " + std::to_string(input.off) + " where " +
                                           std::to_string(command.input_off) + " comes next");
  if (input.len > command.input_allowed - command.input_off)
    return fail(error_name::kProtocol, "stdin: more bytes than credit was given for");
  command.input_ended = input.eof;
}

void FrameSession::take(const Signal& signal) {
  auto* found = find(signal.id);
  if (found == nullptr) return;
  if (Job* job = context_.jobs.find(found->first)) job->signal(signal.signal);
}

void FrameSession::take(const Stop& stop) {
  auto* found = find(stop.id);
  if (found == nullptr) return;
  if (Job* job = context_.jobs.find(found->first)) job->stop_output(stop.stream);
}

void FrameSession::take(const Credit& credit) {
  auto* found = find(credit.id);
  if (found == nullptr) return;
  Flow& flow = flow_of(found->second, credit.stream);
  if (!window_ || credit.bytes > kMaxPayloadBytes - flow.window)
    return fail(error_name::kProtocol, window_ ? "credit: a window may have 2^53 bytes at most"
                                               : "credit: the hello named no \"window\"");
  flow.window += credit.bytes;
  if (!std::exchange(flow.starved, false)) return;
  if (Job* job = context_.jobs.find(found->first)) job->resume_output(credit.stream);
}

void FrameSession::take(const Ping&) { output_.send(to_json(Pong{})); }

void FrameSession::take(const Reserved& reserved) {
  refuse(reserved.id,
         error_reply(error_name::kUnsupported, "this runwired does not know \"" + reserved.type + "\""));
}

template <class Verb> void FrameSession::take(const Verb& verb) {
  take(Reserved{std::string(verb_of(verb)), verb.id, 0});
}

void FrameSession::take(const List&) { take(Reserved{"list", "", 0}); }

// --- what becomes of the commands ---

// That it is started waits a moment for what else there is to say of it: with a short command that is all, and the
// client is woken once.
void FrameSession::job_started(JobId id, pid_t pid) {
  const auto found = commands_.find(id);
  if (found == commands_.end()) return;
  found->second.request_memory = MemoryLease(context_.requests);
  if (found->second.form == ReplyForm::whole) return;
  found->second.untold_pid = pid;
  untold_.push_back(id);
  if (!tell_timer_) tell_timer_ = make_timer(context_.store.loop(), this);
  if (uv_is_active(as_handle(tell_timer_.get())) == 0)
    uv_timer_start(tell_timer_.get(), deliver<&FrameSession::tell_older_ones>, kTellMs, 0);
}

void FrameSession::tell_started(Command& command) {
  if (!command.untold_pid) return;
  output_.hold(to_json(Started{command.id, *command.untold_pid, false}));
  command.untold_pid.reset();
}

void FrameSession::tell_older_ones() {
  if (state_ == State::over) return;
  for (const JobId id : std::exchange(untold_, {}))
    if (const auto found = commands_.find(id); found != commands_.end()) tell_started(found->second);
  output_.flush();
}

std::size_t FrameSession::output_room(JobId id, StdStream stream) {
  const auto found = commands_.find(id);
  if (state_ == State::over || found == commands_.end()) return 0;
  Flow& flow = flow_of(found->second, stream);
  if (window_ && flow.window == 0) {
    flow.starved = true;
    return 0;
  }
  if (!output_.has_room()) {
    if (!std::exchange(flow.blocked, true)) blocked_.emplace_back(id, stream);
    return 0;
  }
  return window_ ? static_cast<std::size_t>(std::min<std::uint64_t>(flow.window, kRelayBytes)) : kRelayBytes;
}

void FrameSession::job_output(JobId id, StdStream stream, std::string_view bytes) {
  const auto found = commands_.find(id);
  if (state_ == State::over || found == commands_.end()) return;
  Flow& flow = flow_of(found->second, stream);
  tell_started(found->second);
  output_.send(to_json(Output{found->second.id, stream, flow.sent, bytes.size(), false}), bytes);
  flow.sent += bytes.size();
  if (window_) flow.window -= bytes.size();
}

void FrameSession::input_taken(JobId id, std::size_t bytes) {
  const auto found = commands_.find(id);
  if (state_ == State::over || found == commands_.end()) return;
  Command& command = found->second;
  command.input_owed += bytes;
  if (command.input_owed < kCreditBytes || command.input_ended) return;
  command.input_allowed += command.input_owed;
  tell_started(command);
  output_.send(to_json(Credit{command.id, StdStream::in, std::exchange(command.input_owed, 0)}));
}

void FrameSession::input_closed(JobId id) {
  const auto found = commands_.find(id);
  if (state_ == State::over || found == commands_.end()) return;
  tell_started(found->second);
  output_.send(to_json(Stop{found->second.id, StdStream::in}));
}

void FrameSession::command_finished(JobId id, JobResult result) {
  const auto found = commands_.find(id);
  if (found == commands_.end()) return;
  Command command = std::move(found->second);
  if (!result.header.error) tell_started(command);  // else it never ran
  by_id_.erase(command.id);
  commands_.erase(found);
  ended_.add(command.id);
  if (state_ != State::over) finish(command, std::move(result));
  end_if_idle();
}

void FrameSession::finish(const Command& command, JobResult result) {
  if (result.header.error) return output_.send(to_json(SessionError{command.id, *result.header.error}));
  Exit exit = exit_of(command.id, result);
  if (command.form == ReplyForm::stream) return output_.send(to_json(exit));
  exit.len = result.header.len;
  const std::string header = to_json(exit);
  output_.send(header, std::move(result));
}

// --- the connection ---

FrameSession::Flow& FrameSession::flow_of(Command& command, StdStream stream) {
  return stream == StdStream::err ? command.err : command.out;
}

void FrameSession::has_room() {
  if (state_ == State::over) return channel_.finish();
  resume_blocked();
  end_if_idle();
}

// In the order in which they were stopped: the first ones may fill the connection again.
void FrameSession::resume_blocked() {
  for (const auto& [id, stream] : std::exchange(blocked_, {})) {
    const auto found = commands_.find(id);
    if (found == commands_.end()) continue;
    flow_of(found->second, stream).blocked = false;
    if (Job* job = context_.jobs.find(id)) job->resume_output(stream);
  }
}

// The hello has its time from the first byte on; later every sign of life begins the time anew.
void FrameSession::await_life() {
  const std::uint64_t now = uv_now(context_.store.loop());
  if (state_ == State::over)
    return channel_.await_quiet(static_cast<unsigned>(over_due_ms_ - std::min(over_due_ms_, now)));
  if (state_ == State::open) {
    if (context_.hello.ping_ms > 0) channel_.await_quiet(static_cast<unsigned>(context_.hello.ping_ms));
    return;
  }
  if (now < hello_due_ms_) return channel_.await_quiet(static_cast<unsigned>(hello_due_ms_ - now));
  quiet();
}

void FrameSession::quiet() {
  if (state_ == State::over) return channel_.drop("deaf");
  if (state_ != State::open) {
    enter(State::over);
    return channel_.drop("slow-hello");
  }
  // Who takes what comes as it can, and has not taken it all, may not have seen the last question. Nor has anybody
  // behind a whole reply; but of that he with a window takes some.
  const bool moves = std::exchange(drains_at_ping_, output_.drains()) != output_.drains();
  const bool is_only_slow =
      window_ ? !output_.is_idle() && moves : !output_.is_idle() || channel_.unsent() > 0;
  if (!is_only_slow && missed_pings_++ == kMissedPings) {
    enter(State::over);
    return channel_.drop("silent");
  }
  if (!is_only_slow) output_.send(to_json(Ping{}));
  await_life();
}

void FrameSession::refuse(const std::string& id, ErrorReply error) {
  output_.send(to_json(SessionError{id, std::move(error)}));
  if (!id.empty() && !by_id_.contains(id)) ended_.add(id);  // what was sent ahead for it is no error
}

void FrameSession::fail(std::string_view error, std::string message) {
  if (state_ == State::over) return;
  enter(State::over);
  output_.send(to_json(SessionError{"", error_reply(error, std::move(message))}));
  output_.uncork();
  context_.jobs.abandon(id_);  // however slowly the client takes that, or never
  over_due_ms_ = uv_now(context_.store.loop()) + kHelloMs;
  await_life();
  if (output_.is_idle()) channel_.finish();  // else behind the reply that is under way
}

void FrameSession::wind_up() {
  winding_up_ = true;
  end_if_idle();
}

void FrameSession::end_if_idle() {
  if (!winding_up_ || state_ != State::open || !commands_.empty() || !output_.is_idle()) return;
  fail(error_name::kShutdown, "runwired is shutting down; try again later, or another one");
}

void FrameSession::enter(State next) {
  if (next == state_) return;
  assert(next > state_);
  state_ = next;
}

}  // namespace runwire
