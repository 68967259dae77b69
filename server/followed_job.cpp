#include "server/followed_job.hpp"

#include <algorithm>
#include <utility>

namespace runwire {

FollowedJob::FollowedJob(std::shared_ptr<KeptJob> job, SessionGround& ground, const Events& events)
    : job_(std::move(job)), ground_(ground), events_(events) {}

FollowedJob::~FollowedJob() { job_->leave(*this); }

void FollowedJob::follow_new() {
  follow(StdStream::out, 0);
  follow(StdStream::err, 0);
  begin();
}

// What is there and what comes are joined in one turn of the loop, so that not a byte is lost or doubled between them.
void FollowedJob::follow_from(const Places& places) {
  is_existing_ = true;
  ground_.output.send(started());
  if (places.wants_output) {
    for (const auto& [stream, place] :
         {std::pair(StdStream::out, places.out), std::pair(StdStream::err, places.err)})
      follow(stream, place.value_or(job_->record(stream).end()));
  }
  begin();
}

void FollowedJob::begin() {
  job_->follow(*this);
  for (const StdStream stream : {StdStream::out, StdStream::err}) pump(stream);
}

void FollowedJob::follow(StdStream stream, std::uint64_t place) {
  Flow& flow = flow_of(stream);
  flow.window = ground_.window.value_or(0);
  flow.replay_end = job_->record(stream).end();
  flow.cursor.emplace(job_->record(stream), place, [this, stream] { pump(stream); });
}

std::string FollowedJob::started() const {
  const bool is_kept = job_->order().keep_ms.has_value();
  return to_json(
      Started{id(), job_->pid(), is_existing_, is_kept ? std::optional(job_->state()) : std::nullopt});
}

// That it is started may wait, so that a short command's news go out together.
void FollowedJob::job_started() {
  is_untold_ = true;
  events_.on_news();
}

void FollowedJob::tell_news() {
  if (!is_over_ && !ground_.is_over && std::exchange(is_untold_, false)) ground_.output.hold(started());
}

void FollowedJob::say(const std::string& header) {
  if (is_over_ || ground_.is_over) return;
  tell_news();
  ground_.output.send(header);
}

// Others may send input without end, whose credit a client that takes nothing would have waiting for it frame by frame.
// The start has to be told first: behind it the credit would be in the window that is told with it, too.
void FollowedJob::input_credited(std::uint64_t bytes) {
  tell_news();
  const bool waits = input_credit_ > 0;
  input_credit_ += bytes;
  if (ground_.output.has_room()) return tell_credit();
  if (!waits && !is_over_) events_.on_blocked(*this, StdStream::in);
}

void FollowedJob::tell_credit() {
  const std::uint64_t bytes = std::exchange(input_credit_, 0);
  if (bytes > 0) say(to_json(Credit{id(), StdStream::in, bytes}));
}

void FollowedJob::input_closed() {
  input_credit_ = 0;
  say(to_json(Stop{id(), StdStream::in}));
}

void FollowedJob::job_finished() { conclude(); }

const RecordCursor* FollowedJob::cursor(StdStream stream) const {
  const auto& cursor = stream == StdStream::err ? err_.cursor : out_.cursor;
  return cursor && !is_over_ ? &*cursor : nullptr;
}

void FollowedJob::was_too_slow() {
  say(to_json(Detached{id(), DetachReason::slow}));
  end();
}

void FollowedJob::end() {
  if (std::exchange(is_over_, true)) return;
  events_.on_over(*this);
}

// --- its output ---

void FollowedJob::go_on(StdStream stream) {
  if (stream == StdStream::in) return tell_credit();
  flow_of(stream).blocked = false;
  pump(stream);
}

void FollowedJob::pump(StdStream stream) {
  Flow& flow = flow_of(stream);
  std::uint64_t sent = 0;
  while (!is_over_ && !ground_.is_over && flow.cursor && !flow.cursor->is_at_end()) {
    if (!may_send(flow, stream)) return;
    if (const auto gap = flow.cursor->take_gap()) {
      tell_news();
      ground_.output.hold(to_json(Gap{id(), stream, gap->from, gap->to}));
      continue;
    }
    const std::string_view bytes = flow.cursor->peek();
    if (bytes.empty()) break;
    if (sent >= kReplayBytes) return wait(flow, stream);
    sent += send(flow, stream, bytes);
  }
  ground_.output.flush();
  if (flow.cursor && flow.cursor->is_at_end()) flow.cursor->peek();  // so that it tells when there is more
  conclude();
}

void FollowedJob::wait(Flow& flow, StdStream stream) {
  flow.blocked = true;
  events_.on_blocked(*this, stream);
}

bool FollowedJob::may_send(Flow& flow, StdStream stream) {
  flow.starved = ground_.window && flow.window == 0;
  if (flow.starved || flow.blocked) return false;
  if (ground_.output.has_room()) return true;
  wait(flow, stream);
  return false;
}

std::uint64_t FollowedJob::send(Flow& flow, StdStream stream, std::string_view bytes) {
  const std::uint64_t place = flow.cursor->place();
  const bool is_replay = place < flow.replay_end;
  std::uint64_t size = bytes.size();
  if (is_replay) size = std::min(size, flow.replay_end - place);
  if (ground_.window) size = std::min(size, flow.window);
  tell_news();
  ground_.output.send(to_json(Output{id(), stream, place, size, is_replay}),
                      bytes.substr(0, static_cast<std::size_t>(size)));
  flow.cursor->advance(static_cast<std::size_t>(size));
  if (ground_.window) {
    flow.window -= size;
    flow.unacknowledged += size;
  } else {
    flow.cursor->acknowledge(flow.cursor->place());
  }
  return size;
}

// Nothing more comes of that stream.
bool FollowedJob::is_done(const Flow& flow) { return !flow.cursor || flow.cursor->is_at_end(); }

void FollowedJob::conclude() {
  if (is_over_ || ground_.is_over || !job_->is_finished()) return;
  if (const auto* error = std::get_if<ErrorReply>(&job_->outcome())) {
    ground_.output.send(to_json(SessionError{id(), *error}));  // it never ran: it was not started either
    return end();
  }
  if (!is_done(out_) || !is_done(err_)) return;
  say(to_json(std::get<Exit>(job_->outcome())));
  end();
}

// --- what the client says ---

void FollowedJob::take(const Credit& credit) {
  Flow& flow = flow_of(credit.stream);
  if (!ground_.may_be_credited(flow.window, credit)) return;
  flow.window += credit.bytes;
  flow.unacknowledged -= std::min(flow.unacknowledged, credit.bytes);
  if (!flow.cursor) return;
  flow.cursor->acknowledge(flow.cursor->place() - flow.unacknowledged);
  if (std::exchange(flow.starved, false)) pump(credit.stream);
}

// Of no use to anybody: its writers get SIGPIPE.
void FollowedJob::take(const Stop& stop) {
  flow_of(stop.stream).cursor.reset();
  job_->stop_output(stop.stream);
  conclude();
}

void FollowedJob::take(const StdinBytes& input) {
  input_place_ = input.off;
  if (job_->is_finished()) return;
  if (std::string why = job_->objection_to(input); !why.empty())
    ground_.fail(error_name::kProtocol, std::move(why));
}

void FollowedJob::take_input(std::string_view bytes) {
  job_->take_input(input_place_, bytes);
  input_place_ += bytes.size();
}

void FollowedJob::end_input(const StdinBytes& input) {
  if (input.eof) job_->end_input(input_place_);
}

}  // namespace runwire
