#include "server/frame_session.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "server/kept_jobs.hpp"
#include "server/log.hpp"
#include "server/shown_command.hpp"

namespace runwire {
namespace {

constexpr std::size_t kRecentIds = 1024;
constexpr std::size_t kWordBytes = 32;  // what a word of a start takes beside its bytes

bool is_recorded(const Start& start) { return start.keep_ms || start.full != Full::block; }

}  // namespace

FrameSession::FrameSession(ConnectionId id, ByteChannel& channel, const Context& context)
    : channel_(channel),
      hello_due_ms_(uv_now(context.store.loop()) + kHelloMs),
      ground_{id,
              context,
              SessionOutput(
                  context.store, channel, [this] { has_room(); },
                  [this] {
                    enter(State::over);
                    channel_.drop("spill-unreadable");
                  }),
              RecentIds(kRecentIds),
              [this](std::string_view error, std::string message) { fail(error, std::move(message)); },
              [this] { end_if_idle(); }},
      context_(ground_.context),
      payload_memory_(context.requests),
      commands_(ground_) {}

// --- what the client says ---

void FrameSession::received(std::string_view bytes) {
  if (state_ == State::over) return await_life();
  missed_pings_ = 0;
  if (state_ == State::preface) bytes = take_preface(bytes);
  if (state_ == State::over) return;
  ground_.output.cork();
  reader_.feed(bytes);
  take_pieces();
  ground_.output.uncork();
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
    if (!commands_.take_input(*input, bytes) && followings_) followings_->take_input(*input, bytes);
  } else if (std::holds_alternative<Start>(message_) && !payload_lost_) {
    payload_lost_ = !payload_memory_.extend(bytes.size());
    if (!payload_lost_) payload_ += bytes;
  }
}

void FrameSession::take_end() {
  if (const auto* input = std::get_if<StdinBytes>(&message_)) {
    if (!commands_.end_input(*input) && followings_) followings_->end_input(*input);
    return;
  }
  const ClientMessage message = std::move(message_);
  message_ = Ping{};
  std::visit([this](const auto& each) { take(each); }, message);
}

void FrameSession::take(const ClientHello& hello) {
  ground_.window = hello.window;
  enter(State::open);
  ground_.output.send(to_json(context_.hello));
  if (winding_up_) end_if_idle();
}

void FrameSession::take(Start start) {
  if (start.id.empty()) start.id = start.keep_ms ? context_.kept.make_id() : make_id();
  const std::string payload = std::exchange(payload_, {});
  MemoryLease memory = std::exchange(payload_memory_, MemoryLease(context_.requests));
  // A word has a byte at least: more of them than that are not there.
  const std::uint64_t words_there = std::min(start.argc + start.envc, start.len);
  payload_lost_ = payload_lost_ || !memory.extend(kWordBytes * words_there);
  if (start.keep_ms && repeat(start, payload)) return;
  if (ErrorReply error = objection_to(start); !error.error.empty()) return refuse(start.id, std::move(error));
  this->start(start, payload, std::move(memory));
}

void FrameSession::start(const Start& start, std::string_view payload, MemoryLease memory) {
  auto words = split_start_payload(start, payload);
  if (!words) return fail(error_name::kProtocol, words.error().message);
  log::debug("command")
      .add("conn", static_cast<std::int64_t>(ground_.client))
      .add("bytes", start.shell ? words->line : words->argv.front());
  if (is_recorded(start)) return start_recorded(start, std::move(*words), payload, std::move(memory));
  commands_.start(start, std::move(*words), std::move(memory));
}

void FrameSession::start_recorded(const Start& start, StartWords words, std::string_view payload,
                                  MemoryLease memory) {
  KeptJob::Order order{
      start.id, {}, {}, {}, start.full, start.keep_ms, start.takes_stdin, start.pty.has_value()};
  if (start.keep_ms) {
    order.fingerprint = fingerprint_of(start, payload);
    order.command = shown_command(words);
    order.who = channel_.peer();
  }
  followings().start(std::move(order), start, std::move(words), std::move(memory));
}

bool FrameSession::repeat(const Start& start, std::string_view payload) {
  if (is_in_use(start.id) || payload_lost_ || winding_up_ == WindUp::upgrade) return false;
  auto job = context_.kept.find(start.id);
  if (!job) return false;
  if (job->order().fingerprint == fingerprint_of(start, payload))
    followings().follow(std::move(job), {0, 0});
  else
    refuse(start.id,
           error_reply(error_name::kConflict,
                       "another command is kept under that id; choose another, or attach to that one"));
  return true;
}

ErrorReply FrameSession::objection_to(const Start& start) const {
  if (is_in_use(start.id))
    return error_reply(error_name::kConflict,
                       "a running command of this session has that id; choose another");
  if (start.keep_ms && context_.kept.is_gone(start.id)) return nothing_kept(start.id);
  if (winding_up_) return refusal_of(*winding_up_);
  if (payload_lost_) return error_reply(error_name::kBusy, "too many long commands at once; try again later");
  if (start.reply == ReplyForm::whole && !commands_.may_reply_whole())
    return error_reply(error_name::kBusy,
                       "too many whole replies of this session are to come; read some, or stream");
  return {};
}

std::string FrameSession::make_id() {
  std::string id;
  do id = std::to_string(++last_made_id_).insert(0, 1, 'r');
  while (is_in_use(id));
  return id;
}

bool FrameSession::is_in_use(const std::string& id) const {
  return commands_.has(id) || (followings_ && followings_->has(id));
}

SessionFollowings& FrameSession::followings() {
  if (!followings_) followings_ = std::make_unique<SessionFollowings>(ground_);
  return *followings_;
}

SessionListing& FrameSession::listing() {
  if (!listing_) listing_ = std::make_unique<SessionListing>(ground_);
  return *listing_;
}

template <class Message> bool FrameSession::hand_on(const Message& message) {
  return commands_.take(message) || (followings_ && followings_->take(message));
}

void FrameSession::miss(const std::string& id) {
  const bool has_been = ground_.ended.contains(id) || ground_.ended.has_forgotten();
  if (!has_been && !context_.kept.find(id) && !context_.kept.is_gone(id))
    fail(error_name::kUnknown, "no command of this session has had the id " + log::escape(id));
}

void FrameSession::answer(const std::string& id, ErrorReply error) {
  ground_.output.send(to_json(SessionError{id, std::move(error)}));
}

ErrorReply FrameSession::nothing_kept(const std::string& id) const {
  if (context_.kept.is_gone(id))
    return error_reply(error_name::kExpired, "the command is over, and nothing of it is kept any more");
  return error_reply(error_name::kUnknown, "no kept command has had the id " + log::escape(id));
}

void FrameSession::take(const StdinBytes& input) {
  if (!hand_on(input)) miss(input.id);
}

void FrameSession::take(const Stop& stop) {
  if (!hand_on(stop)) miss(stop.id);
}

void FrameSession::take(const Credit& credit) {
  if (!hand_on(credit)) miss(credit.id);
}

void FrameSession::take(const Signal& signal) {
  if (hand_on(signal)) return;
  const auto job = context_.kept.find(signal.id);
  if (!job) return miss(signal.id);
  job->signal(signal.signal);
}

void FrameSession::take(const Resize& resize) {
  if (hand_on(resize)) return;
  const auto job = context_.kept.find(resize.id);
  if (!job) return miss(resize.id);
  job->resize(resize.size);
}

void FrameSession::take(const Cancel& cancel) {
  if (hand_on(cancel)) return;
  const auto job = context_.kept.find(cancel.id);
  if (job) return job->cancel();
  if (!ground_.ended.contains(cancel.id)) answer(cancel.id, nothing_kept(cancel.id));
}

void FrameSession::take(const Attach& attach) {
  if (winding_up_ == WindUp::upgrade) return refuse(attach.id, refusal_of(*winding_up_));
  if (is_in_use(attach.id))
    return refuse(attach.id, error_reply(error_name::kConflict, "this session follows that command already"));
  auto job = context_.kept.find(attach.id);
  if (!job) return refuse(attach.id, nothing_kept(attach.id));
  for (const auto& [stream, place] :
       {std::pair(StdStream::out, attach.stdout_off), std::pair(StdStream::err, attach.stderr_off)})
    if (const std::uint64_t end = job->record(stream).end(); place.value_or(0) > end)
      return refuse(attach.id, error_reply(error_name::kConflict, "attach: " + std::string(name_of(stream)) +
                                                                      " ends at " + std::to_string(end)));
  followings().follow(std::move(job), {attach.stdout_off, attach.stderr_off, attach.wants_output});
}

void FrameSession::take(const Detach& detach) {
  if (followings_ && followings_->has(detach.id)) {
    ErrorReply error = followings_->detach(detach.id);
    if (!error.error.empty()) answer(detach.id, std::move(error));
    return end_if_idle();
  }
  if (commands_.has(detach.id))
    return answer(detach.id, error_reply(error_name::kConflict,
                                         "detach: the command ends with its session; it is not kept"));
  if (ground_.ended.contains(detach.id)) return;  // its end was faster
  if (!context_.kept.find(detach.id)) return answer(detach.id, nothing_kept(detach.id));
  answer(detach.id, error_reply(error_name::kConflict, "detach: this session does not follow that command"));
}

void FrameSession::take(const Forget& forget) {
  const auto job = context_.kept.find(forget.id);
  if (commands_.has(forget.id) || (job && !job->is_finished()))
    return answer(forget.id, error_reply(error_name::kConflict,
                                         "forget: the command is not over; cancel it, or wait for its end"));
  if (!job) return answer(forget.id, nothing_kept(forget.id));
  context_.kept.forget(*job);
  ground_.output.send(to_json(Forgotten{forget.id}));
}

void FrameSession::take(const Ping&) { ground_.output.send(to_json(Pong{})); }

void FrameSession::take(const Reserved& reserved) {
  refuse(reserved.id,
         error_reply(error_name::kUnsupported, "this runwired does not know \"" + reserved.type + "\""));
}

void FrameSession::command_finished(JobId id, JobResult result) {
  if (!commands_.finished(id, result) && followings_) followings_->finished(id, std::move(result));
  end_if_idle();
}

// --- the connection ---

void FrameSession::has_room() {
  if (state_ == State::over) return channel_.finish();
  if (followings_ && std::exchange(followings_first_, !followings_first_)) followings_->resume_blocked();
  commands_.resume_blocked();
  if (followings_) followings_->resume_blocked();
  if (listing_) listing_->go_on();
  end_if_idle();
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
  const bool takes_some = channel_.unsent() < std::exchange(unsent_at_ping_, channel_.unsent());
  const bool takes_all = std::exchange(drains_at_ping_, ground_.output.drains()) != ground_.output.drains();
  const bool is_only_slow = ground_.window ? !ground_.output.is_idle() && (takes_some || takes_all)
                                           : !ground_.output.is_idle() || channel_.unsent() > 0;
  if (!is_only_slow && missed_pings_++ == kMissedPings) {
    enter(State::over);
    return channel_.drop("silent");
  }
  if (!is_only_slow) ground_.output.send(to_json(Ping{}));
  await_life();
}

void FrameSession::refuse(const std::string& id, ErrorReply error) {
  ground_.output.send(to_json(SessionError{id, std::move(error)}));
  if (!id.empty() && !is_in_use(id)) ground_.ended.add(id);  // what was sent ahead for it is no error
}

void FrameSession::fail(std::string_view error, std::string message) {
  fail(error_reply(error, std::move(message)));
}

void FrameSession::fail(ErrorReply error) {
  if (state_ == State::over) return;
  enter(State::over);
  ground_.output.send(to_json(SessionError{"", std::move(error)}));
  ground_.output.uncork();
  context_.jobs.abandon(ground_.client);  // however slowly the client takes that, or never
  if (followings_) followings_->close();
  over_due_ms_ = uv_now(context_.store.loop()) + kHelloMs;
  await_life();
  if (ground_.output.is_idle()) channel_.finish();  // else behind the reply that is under way
}

void FrameSession::wind_up(WindUp why) {
  winding_up_ = why;
  // Who follows a kept command comes back for the rest of it.
  if (why == WindUp::upgrade && followings_) followings_->leave_kept();
  end_if_idle();
}

void FrameSession::end_if_idle() {
  if (!winding_up_ || state_ != State::open || !commands_.is_empty() || !ground_.output.is_idle()) return;
  if ((followings_ && !followings_->is_empty()) || (listing_ && !listing_->is_empty())) return;
  fail(farewell_of(*winding_up_));
}

void FrameSession::enter(State next) {
  if (next == state_) return;
  assert(next > state_);
  state_ = next;
  ground_.is_over = next == State::over;
}

}  // namespace runwire
