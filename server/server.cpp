#include "server/server.hpp"

#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "proto/build_facts.hpp"
#include "proto/limits.hpp"
#include "server/inheritance.hpp"
#include "server/log.hpp"
#include "server/peer.hpp"
#include "server/process_table.hpp"

namespace runwire {
namespace {

constexpr std::string_view kPhaseNames[] = {"serving", "draining", "ending", "stopped"};
constexpr std::size_t kMaxLeftovers = 1000;
constexpr std::size_t kMaxTurnedAway = 64;  // that are given time to read why
constexpr unsigned kFlushMs = 1000;         // for replies on the way when the last command has ended

// Of the descriptors that are free at the start, enough stay for commands: each has up to three pipes and two spill
// files open.
constexpr std::size_t kDescriptorsOfCommand = 5;

std::size_t connections_allowed(const Options& options) {
  const std::size_t free = descriptor_limit() - descriptors_in_use();
  const std::size_t reserve = std::min(options.max_running * kDescriptorsOfCommand + 64, free / 2);
  return std::min(options.max_connections, free - reserve);
}

// Each holds descriptors where it has spilled, also after its command's place was given to another.
std::size_t replies_allowed() { return std::clamp<std::size_t>(descriptor_limit() / 8, 16, 1000); }

std::string runtime_dir() {
  const char* dir = std::getenv("XDG_RUNTIME_DIR");
  return dir == nullptr ? "" : dir;
}

JobLimits job_limits(const Options& options) {
  return {options.max_running, options.max_queued, options.max_output_bytes, kMaxLeftovers};
}

// 128 random bits: who comes back to another daemon than he left must notice.
std::string new_boot_id() {
  unsigned char bytes[16] = {};
  uv_random(nullptr, nullptr, bytes, sizeof bytes, 0, nullptr);
  std::string text;
  constexpr char kHex[] = "0123456789abcdef";
  for (const unsigned char byte : bytes) (text += kHex[byte >> 4]) += kHex[byte & 15];
  return text;
}

ServerHello server_hello(const Options& options, const std::optional<Handover>& handed) {
  ServerHello hello{
      handed ? handed->boot : new_boot_id(), "runwired " + std::string(kVersion), {}, options.ping_ms};
  hello.limits.keep_ms = options.max_keep_ms;
  return hello;
}

bool is_ignored(int signal) {
  struct sigaction now {};
  return sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

}  // namespace

Server::Server(uv_loop_t* loop, Spawner& spawner, Options options, Successor* successor,
               std::optional<Handover> handover)
    : loop_(loop),
      options_(std::move(options)),
      handed_(std::move(handover)),
      max_connections_(connections_allowed(options_)),
      store_(loop, options_.spill_dir, spill_buffers()),
      direct_calls_(options_.shell, options_.cwd, environ),
      hello_(server_hello(options_, handed_)),
      cgroups_(options_.cgroups ? CgroupTree::make() : nullptr),
      jobs_(store_, spawner, *this, job_limits(options_), spawn_spec(), cgroups_.get()),
      arena_(make_arena()),
      kept_({jobs_, store_, arena_, requests_, inputs_, options_.max_output_bytes,
             options_.follower_timeout_ms},
            {options_.max_kept, options_.max_keep_ms}),
      context_{
          jobs_,
          kept_,
          store_,
          requests_,
          inputs_,
          replies_allowed(),
          hello_,
          [this](ConnectionId id) { connection_closed(id); },
          [this](ConnectionId id, std::string_view why) { refusals_.refused(why, id, "", uv_now(loop_)); }},
      retired_(loop),
      patience_(make_timer(loop, this)) {
  if (successor != nullptr)
    upgrade_ =
        std::make_unique<Upgrade>(loop, spawner, *successor, options_.drain_timeout_ms, upgrade_steps());
}

SpillArena Server::make_arena() {
  if (!handed_ || handed_->arena < 0) return SpillArena(store_, options_.spill_space_bytes);
  std::vector<SpillArena::Block> used;
  for (const HandedJob& job : handed_->jobs)
    for (const OutputRecord::Image& image : job.output)
      for (const auto& block : image.blocks)
        if (const auto* number = std::get_if<SpillArena::Block>(&block)) used.push_back(*number);
  return SpillArena(store_, options_.spill_space_bytes, Descriptor(handed_->arena), used);
}

SpawnSpec Server::spawn_spec() const {
  SpawnSpec spec{options_.shell, "", options_.cwd, options_.spill_dir,
                 options_.direct ? &direct_calls_ : nullptr};
  spec.caps = options_.caps;
  spec.leads_session = options_.leads_session;
  spec.mark = std::string(kMarkName) + "=" + hello_.boot + ".";
  return spec;
}

Status Server::start() {
  watch_signals();
  if (handed_) {
    take_over();
    RUNWIRE_TRY(take_over_listeners());
    handed_.reset();
    return Ok{};
  }
  RUNWIRE_TRY(open_listeners());
  announce();
  return Ok{};
}

// --- one program after another ---

void Server::take_over() {
  last_id_ = handed_->last_connection;
  hello_.upgrades = handed_->upgrades;
  hello_.failed_upgrades = handed_->failed_upgrades;
  jobs_.go_on_behind(handed_->last_job);
  kept_.take_over(*handed_);
  JobTerms of_nobody;
  of_nobody.form = ReplyForm::stream;
  of_nobody.linger = Linger::now;  // so that it takes no command's place
  for (RunningJob& leftover : handed_->leftovers) jobs_.take_over(0, of_nobody, std::move(leftover), nullptr);
  log::info("upgraded").add("pid", getpid()).add("commands", static_cast<std::int64_t>(kept_.size()));
}

Status Server::take_over_listeners() {
  for (const HandedListener& handed : handed_->listeners) {
    auto listener = Listener::take_over(loop_, handed.address, handed.descriptor,
                                        [this](Stream stream) { accept(std::move(stream)); });
    RUNWIRE_TRY(listener);
    listeners_.push_back(std::move(*listener));
  }
  for (const int silent : handed_->silent) accept(open_stream(loop_, silent));
  return Ok{};
}

Upgrade::Steps Server::upgrade_steps() {
  return {[this] { return handover(); },
          [this] { return gather(); },
          [this] { return is_ready(); },
          [this] {
            jobs_.hold_back(KeptJobs::kFirstOwner);  // those go along
            jobs_.drop_queued(refusal_of(WindUp::upgrade));
            jobs_.end_all_below(KeptJobs::kFirstOwner, Reason::shutdown, kShutdownKillGraceMs);
          },
          [this] { visit_connections([](Connection& each) { each.say_farewell(WindUp::upgrade); }); },
          [this] { close_connections(); },
          [this] { go_back(); },
          [this] { ++hello_.failed_upgrades; }};
}

Handover Server::handover() const {
  Handover handover;
  handover.boot = hello_.boot;
  handover.last_job = jobs_.last_id();
  handover.last_connection = last_id_;
  handover.upgrades = hello_.upgrades + 1;
  handover.failed_upgrades = hello_.failed_upgrades;
  for (const Descriptor& silent : silent_) handover.silent.push_back(silent.get());
  handover.arena = arena_.fd();
  for (const auto& listener : listeners_)
    handover.listeners.push_back({listener->address(), listener->descriptor()});
  kept_.hand_over(handover);
  handover.leftovers = jobs_.leftovers();
  return handover;
}

// What may fail comes first, and changes nothing for anybody.
Status Server::gather() {
  for (const auto& listener : listeners_) RUNWIRE_TRY(listener->pause());
  std::vector<Connection*> silent;
  for (const auto& [id, connection] : connections_)
    if (connection->is_silent()) silent.push_back(connection.get());
  for (Connection* connection : silent) {
    auto taken = connection->take_descriptor();
    RUNWIRE_TRY(taken);
    silent_.push_back(std::move(*taken));
  }
  wind_up_connections(WindUp::upgrade);
  return Ok{};
}

// Where only kept commands are left there is nothing to wait for but what they do at the moment: from the first such
// look on nothing new begins.
bool Server::is_ready() {
  if (!connections_.empty() || jobs_.has_jobs_below(KeptJobs::kFirstOwner) || jobs_.has_kill_due())
    return false;
  hold_still(true);
  return kept_.can_move() && arena_.is_idle();
}

void Server::hold_still(bool yes) {
  arena_.hold_still(yes);
  if (yes)
    jobs_.hold_back(KeptJobs::kFirstOwner);
  else
    jobs_.let_go();
}

void Server::go_back() {
  hold_still(false);
  for (Descriptor& silent : std::exchange(silent_, {})) accept(open_stream(loop_, silent.release()));
  for (const auto& listener : listeners_)
    if (const Status status = listener->resume(); !status)
      log::error("listen-failed").add("why", status.error().message);
}

// --- from the start to the end ---

Status Server::open_listeners() {
  std::vector<Address> addresses = options_.listen;
  if (addresses.empty()) {
    if (runtime_dir().empty()) RUNWIRE_TRY(make_private_dir(default_socket_dir("", geteuid())));
    addresses.push_back({"", "127.0.0.1", kDefaultPort});
    addresses.push_back({default_socket_path(runtime_dir(), geteuid()), "", 0});
  }
  for (const Address& address : addresses) {
    auto listener = Listener::open(loop_, address, [this](Stream stream) { accept(std::move(stream)); });
    RUNWIRE_TRY(listener);
    listeners_.push_back(std::move(*listener));
  }
  return Ok{};
}

void Server::announce() const {
  std::string where;
  for (const auto& listener : listeners_)
    where += (where.empty() ? "" : " and ") + to_string(listener->address());
  const std::string first = to_string(listeners_.front()->address());
  std::printf("runwired %s listening on %s - try: runwire %s 'uname -a'\n", std::string(kVersion).c_str(),
              where.c_str(), first.c_str());
  std::fflush(stdout);
  log::info("ready")
      .add("listen", where)
      .add("pid", getpid())
      .add("max_connections", static_cast<std::int64_t>(max_connections_));
}

void Server::watch_signals() {
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR2}) {
    if (number == SIGHUP && is_ignored(SIGHUP)) continue;  // started by nohup(1)
    auto handle =
        make_handle<uv_signal_t>(this, [this](uv_signal_t* signal) { return uv_signal_init(loop_, signal); });
    [[maybe_unused]] const int error = uv_signal_start(handle.get(), deliver<&Server::on_signal>, number);
    assert(error == 0);
    signals_.push_back(std::move(handle));
  }
  hold_signals(false);
}

void Server::on_signal(int number) {
  log::info("signal").add("signal", signal_name(number));
  if (number != SIGUSR2) return stop();
  if (phase_ == Phase::serving && upgrade_) upgrade_->begin();
}

void Server::accept(Stream stream) {
  const ConnectionId id = ++last_id_;
  const auto owner = peer_owner(descriptor_of(stream));
  const Verdict verdict = judge_peer(options_.plain, owner, geteuid());
  auto owned = std::make_unique<Connection>(id, std::move(stream), context_);
  Connection& connection = *owned;
  connections_.emplace(id, std::move(owned));
  if (verdict != Verdict::allowed)
    return turn_away(connection, name_of(verdict), error_name::kDenied, std::string(explain(verdict)));
  if (connections_.size() - turned_away_.size() > max_connections_)
    return turn_away(
        connection, "too-many-connections", error_name::kBusy,
        "runwired holds as many connections as it may; try again later, or raise --max-connections");
  log::debug("accepted")
      .add("conn", static_cast<std::int64_t>(id))
      .add("uid", owner ? std::int64_t{*owner} : -1);
  connection.start();
}

void Server::turn_away(Connection& connection, std::string_view reason, std::string_view error,
                       std::string message) {
  turned_away_.insert(connection.id());  // else who tries again at once would be in his own way
  refusals_.refused(reason, connection.id(), "", uv_now(loop_));
  ErrorReply reply = error_reply(error, std::move(message));
  if (error == error_name::kBusy) reply.retry_ms = kFlushMs;
  connection.turn_away(reply);
  const std::size_t may_wait = std::clamp<std::size_t>(max_connections_ / 4, 1, kMaxTurnedAway);
  if (turned_away_.size() > may_wait) connection.close();
}

void Server::connection_closed(ConnectionId id) {
  turned_away_.erase(id);
  auto node = connections_.extract(id);
  if (node) retired_.add(std::move(node.mapped()));
  jobs_.abandon(id);
  stop_if_idle();
}

void Server::command_finished(ConnectionId client, JobId id, JobResult result) {
  if (KeptJobs::owns(client)) return kept_.command_finished(id, std::move(result));
  const auto found = connections_.find(client);
  if (found != connections_.end()) found->second->command_finished(id, std::move(result));
}

void Server::stop() {
  if (phase_ == Phase::serving) return drain();
  end_jobs(0, kFlushMs);
}

void Server::drain() {
  enter(Phase::draining);
  if (upgrade_) upgrade_->give_up();
  hold_still(false);
  silent_.clear();
  listeners_.clear();
  jobs_.drop_queued(refusal_of(WindUp::shutdown));
  wind_up_connections(WindUp::shutdown);
  uv_timer_start(patience_.get(), deliver<&Server::on_patience_over>, options_.drain_timeout_ms, 0);
  stop_if_idle();
}

void Server::wind_up_connections(WindUp why) {
  visit_connections([why](Connection& each) { each.wind_up(why); });
}

// Each may close meanwhile, but is not yet freed.
void Server::visit_connections(const std::function<void(Connection&)>& visit) {
  std::vector<Connection*> open;
  for (const auto& [id, connection] : connections_) open.push_back(connection.get());
  for (Connection* connection : open) visit(*connection);
}

void Server::end_jobs(unsigned grace_ms, unsigned patience_ms) {
  if (phase_ == Phase::stopped) return;
  enter(Phase::ending);
  uv_timer_start(patience_.get(), deliver<&Server::on_patience_over>, patience_ms, 0);
  jobs_.end_all(Reason::shutdown, grace_ms);
  jobs_are_idle();
}

void Server::on_patience_over() {
  if (phase_ == Phase::draining) return end_jobs(kShutdownKillGraceMs, kShutdownKillGraceMs + kFlushMs);
  if (!jobs_.is_idle())
    log::error("processes-left").add("running", static_cast<std::int64_t>(jobs_.running()));
  close_connections();
  enter(Phase::stopped);
  uv_stop(loop_);
}

void Server::close_connections() {
  visit_connections([](Connection& each) { each.close(); });
}

void Server::jobs_are_idle() {
  if (phase_ == Phase::ending && jobs_.is_idle())
    uv_timer_start(patience_.get(), deliver<&Server::on_patience_over>, kFlushMs, 0);
  stop_if_idle();
}

void Server::stop_if_idle() {
  const bool stopping = phase_ == Phase::draining || phase_ == Phase::ending;
  if (!stopping || !connections_.empty() || !jobs_.is_idle()) return;
  enter(Phase::stopped);
  uv_stop(loop_);
}

void Server::enter(Phase next) {
  if (next == phase_) return;
  assert(next > phase_);
  log::info("shutdown")
      .add("from", kPhaseNames[static_cast<std::size_t>(phase_)])
      .add("to", kPhaseNames[static_cast<std::size_t>(next)])
      .add("running", static_cast<std::int64_t>(jobs_.running()))
      .add("connections", static_cast<std::int64_t>(connections_.size()));
  phase_ = next;
}

}  // namespace runwire
