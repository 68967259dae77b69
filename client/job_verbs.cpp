#include "client/job_verbs.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/failure_text.hpp"
#include "client/job_list.hpp"
#include "client/output.hpp"
#include "client/output_relay.hpp"
#include "client/pauses.hpp"
#include "client/random_id.hpp"
#include "client/relay.hpp"
#include "client/relay_output.hpp"
#include "client/server_connection.hpp"

namespace runwire {
namespace {

int fail(const Error& error) {
  say(error.message);
  return kOwnFailureStatus;
}

Error with_server(const CommandRequest& request, const Error& error) {
  return {error.code, to_string(request.address) + ": " + error.message};
}

Result<Session> meet_once(const CommandRequest& request) {
  auto channel = connect_to_server(request.address, request.own_server_only, request.connect_timeout);
  if (!channel) return Error{channel.error().code, channel.error().message + request.address_hint};
  Session session(std::move(*channel), kOutputWindow, request.connect_timeout);
  const auto met = session.await_hello();
  if (!met) return with_server(request, met.error());
  return session;
}

// A connection that ends before its greeting, as it may while the daemon upgrades itself, is made anew as long as
// connecting may take.
Result<Session> meet(const CommandRequest& request) {
  const auto until = Session::Clock::now() + request.connect_timeout;
  Pauses pauses(random_seed());
  for (;;) {
    auto session = meet_once(request);
    const bool passes = !session && session.error().code == Errc::closed && Session::Clock::now() < until;
    if (!passes) return session;
    ::poll(nullptr, 0, static_cast<int>(pauses.next().count()));
  }
}

// What the server answers about a command, or that it has ended the session.
std::string describe_refusal(const CommandRequest& request, const std::string& id, const ErrorReply& error) {
  std::string text = to_string(request.address) + ": " + id + ": ";
  if (error.error == error_name::kUnknown)
    return text + "no command there has had that id; `runwire ps " + request.host +
           "` shows those that are kept";
  if (error.error == error_name::kExpired)
    return text + "it has ended, and nothing of it is kept any more; `runwire ps " + request.host +
           "` lists what is kept";
  return text + error.error + ": " + error.message;
}

Error unexpected() { return {Errc::protocol, "the server answers what nobody has asked"}; }

int print(const std::string& text) {
  const auto written = write_fully(STDOUT_FILENO, text, "stdout");
  if (!written && written.error().errno_value == EPIPE) end_by_broken_pipe();
  return written ? 0 : fail({Errc::io, written.error().message + "; the rest of the list is lost"});
}

// As a table, or in JSON as the server's own lines.
Result<std::string> list(Session& session, bool json) {
  RUNWIRE_TRY(session.send(List{}));
  std::vector<JobInfo> jobs;
  std::string lines;
  for (;;) {
    auto event = session.await_event();
    RUNWIRE_TRY(event);
    if (const auto* job = std::get_if<JobInfo>(&event->message)) {
      lines += on_one_line(event->json) + "\n";
      jobs.push_back(*job);
    } else if (std::holds_alternative<Listed>(event->message)) {
      return json ? lines : job_table(jobs);
    } else if (const auto* error = std::get_if<SessionError>(&event->message)) {
      return Error{Errc::refused, error->error.error + ": " + error->error.message};
    } else {
      return unexpected();
    }
  }
}

int show_list(const CommandRequest& request) {
  auto session = meet(request);
  if (!session) return fail(session.error());
  const auto text = list(*session, request.json);
  if (!text) return fail(with_server(request, text.error()));
  session->close();
  if (text->empty() && !request.json && !request.quiet) say("no commands are kept there");
  return print(*text);
}

// Absent: it is forgotten; else why not.
Result<std::optional<ErrorReply>> forget(Session& session, const std::string& id) {
  RUNWIRE_TRY(session.send(Forget{id}));
  const auto event = session.await_event();
  RUNWIRE_TRY(event);
  if (const auto* forgotten = std::get_if<Forgotten>(&event->message))
    if (forgotten->id == id) return std::optional<ErrorReply>();
  if (const auto* error = std::get_if<SessionError>(&event->message)) {
    if (error->id == id) return std::optional(error->error);
    return Error{Errc::refused, error->error.error + ": " + error->error.message};
  }
  return unexpected();
}

int forget_all(const CommandRequest& request, const std::vector<std::string>& ids) {
  auto session = meet(request);
  if (!session) return fail(session.error());
  int status = 0;
  for (const std::string& id : ids) {
    const auto refusal = forget(*session, id);
    if (!refusal) return fail(with_server(request, refusal.error()));
    if (!*refusal) continue;
    const bool still_runs = (*refusal)->error == error_name::kConflict;
    status = still_runs ? fail({Errc::refused, to_string(request.address) + ": " + id +
                                                   ": it has not ended; `runwire kill " + request.host + " " +
                                                   id + "` ends it"})
                        : fail({Errc::refused, describe_refusal(request, id, **refusal)});
  }
  session->close();
  return status;
}

Attach without_output(const std::string& id) {
  Attach attach;
  attach.id = id;
  attach.wants_output = false;
  return attach;
}

// It is followed from now on.
Status find(Session& session, const CommandRequest& request, const std::string& id) {
  RUNWIRE_TRY(session.send(without_output(id)));
  const auto event = session.await_event();
  RUNWIRE_TRY(event);
  if (const auto* error = std::get_if<SessionError>(&event->message))
    return Error{Errc::refused, describe_refusal(request, id, error->error)};
  const auto* started = std::get_if<Started>(&event->message);
  if (started == nullptr || started->id != id) return with_server(request, unexpected());
  return Ok{};
}

enum class Last { exit, detached, cancelled };

// Until its last message; cancelled: it never had its turn.
Result<Last> await_last(Session& session, const CommandRequest& request, const std::string& id) {
  for (;;) {
    const auto event = session.await_event();
    if (!event) return with_server(request, event.error());
    if (std::holds_alternative<Exit>(event->message)) return Last::exit;
    if (std::holds_alternative<Detached>(event->message)) return Last::detached;
    const auto* error = std::get_if<SessionError>(&event->message);
    if (error == nullptr) continue;
    if (error->id == id && error->error.error == error_name::kCancelled) return Last::cancelled;
    return Error{Errc::refused, describe_refusal(request, id, error->error)};
  }
}

Status end(Session& session, const CommandRequest& request, const std::string& id) {
  RUNWIRE_TRY(find(session, request, id));
  RUNWIRE_TRY(session.send(Cancel{id}));
  const auto last = await_last(session, request, id);
  return last ? Status(Ok{}) : last.error();
}

// It is followed no longer when the signal goes out: an end that comes is from before.
Status signal(Session& session, const CommandRequest& request, const std::string& id, int number) {
  RUNWIRE_TRY(find(session, request, id));
  RUNWIRE_TRY(session.send(Detach{id}));
  const auto last = await_last(session, request, id);
  RUNWIRE_TRY(last);
  if (*last != Last::detached)
    return Error{Errc::refused, to_string(request.address) + ": " + id +
                                    ": it has ended, and no signal reaches it any more; `runwire wait " +
                                    request.host + " " + id + "` tells how"};
  RUNWIRE_TRY(session.send(Signal{id, number}));
  RUNWIRE_TRY(session.send(without_output(id)));  // whatever is answered, the signal has been taken by then
  const auto taken = session.await_event();
  return taken ? Status(Ok{}) : with_server(request, taken.error());
}

int kill(const CommandRequest& request, const JobRequest& job) {
  auto session = meet(request);
  if (!session) return fail(session.error());
  const std::string& id = job.ids.at(0);
  const Status ended =
      job.signal == 0 ? end(*session, request, id) : signal(*session, request, id, job.signal);
  if (!ended) return fail(ended.error());
  session->close();
  return 0;
}

}  // namespace

int run_job_verb(const CommandRequest& request, const JobRequest& job) {
  switch (job.verb) {
    case JobVerb::ps:
      return show_list(request);
    case JobVerb::rm:
      return forget_all(request, job.ids);
    case JobVerb::kill:
      return kill(request, job);
    case JobVerb::attach:
    case JobVerb::wait:
    case JobVerb::logs:
      break;
  }
  return follow_command(request, job);
}

}  // namespace runwire
