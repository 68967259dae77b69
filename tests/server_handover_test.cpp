#include <doctest/doctest.h>

#include <csignal>

#include "server/handover.hpp"

using namespace runwire;

namespace {

HandedJob waiting_job() {
  HandedJob job;
  job.start.id = "waits";
  job.start.argc = 2;
  job.start.envc = 1;
  job.start.keep_ms = 5000;
  job.start.full = Full::spill;
  job.start.linger = Linger::now;
  job.words.argv = {"printf", std::string("\xff\n", 2)};
  job.words.environment = {"A=b"};
  job.owner = 7;
  job.request_memory = 99;
  job.said = {{"typed ahead", true}, {SIGUSR1, SIGTERM}, {false, true}};
  job.input_ended_by_client = true;
  job.start.pty = PtyWish{{33, 77}, "vt100"};
  job.start.len = join_start_payload(job.words, false).size();
  job.request_size = 77;
  job.request_digest = {~std::uint64_t{0}, 1};
  job.command = "printf ...";
  job.who = "uid 0";
  job.mark = "RUNWIRE_JOB=x.1";
  job.asked_ms = 123456789;
  return job;
}

HandedJob running_job() {
  HandedJob job;
  job.start.id = "runs";
  job.start.shell = true;
  job.running.emplace();
  job.running->pid = 4711;
  job.running->started_ms = 1234.5;
  job.running->streams = {7, 8, -1};
  job.running->has_terminal = true;
  job.running->group_is_over = true;
  job.running->cgroup = "12";
  job.running->input = {std::string("in\0put", 6), true, true, true};
  job.running->signals = {SIGTSTP, SIGCONT};
  job.running->handed_on = {std::uint64_t{1} << 40, 2};
  job.running->timeout_due_ms = 99;
  job.running->last_output_ms = 98;
  job.running->ending = Reason::cancelled;
  job.running->termination = {true, 3, 1234, 2};
  job.running->lingers_since_ms = 97;
  job.running->read_since_exit = 96;
  job.running->handed_on_before_exit = {95, 1};
  job.running->cut = true;
  job.running->end = ChildEnd(ExitStatus::killed(SIGKILL), true, Usage{1.5, 2.25, 3.125, 4096});
  job.output[0] = {65530,
                   65536 * 2 + 3,
                   65530,
                   false,
                   {SpillArena::Block{5}, std::string(65536, 'x'), std::string("abc")}};
  job.output[1] = {0, 0, 0, true, {}};
  job.input_off = 6;
  job.input_allowed = 10;
  job.input_owed = 1;
  job.input_ended_by_client = true;
  job.input_ended = true;
  return job;
}

HandedJob finished_job() {
  HandedJob job;
  job.start.id = "is over";
  job.start.shell = true;
  job.exit.emplace();
  job.exit->id = "is over";
  job.exit->status = ExitStatus::exited(3);
  job.exit->reason = Reason::exited;
  job.exit->stdout_bytes = 3;
  job.expires_ms = 1000;
  job.pid = 4712;
  job.output[0] = {0, 3, 3, true, {std::string("abc")}};
  return job;
}

HandedJob failed_job() {
  HandedJob job;
  job.start.id = "never ran";
  job.start.shell = true;
  job.error = error_reply(error_name::kSpawn, "no");
  job.error->errno_name = "ENOENT";
  return job;
}

Handover whole() {
  Handover handover;
  handover.boot = "00ff";
  handover.last_job = 12;
  handover.last_connection = 34;
  handover.last_made_id = 56;
  handover.arena = 9;
  handover.listeners = {{{"", "127.0.0.1", 8098}, 4}, {{"/run/x.sock", "", 0}, 5}};
  handover.silent = {6};
  handover.upgrades = 3;
  handover.failed_upgrades = 2;
  handover.gone = {~std::uint64_t{0}, 0, 42};
  handover.jobs = {waiting_job(), running_job(), finished_job(), failed_job()};
  return handover;
}

Handover reread(const Handover& handover) {
  auto back = from_image(to_image(handover));
  REQUIRE_MESSAGE(back.ok(), (back.ok() ? "" : back.error().message));
  return std::move(*back);
}

}  // namespace

TEST_CASE("handover: what a daemon is comes back") {
  const Handover back = reread(whole());
  CHECK(back.boot == "00ff");
  CHECK(back.last_job == 12);
  CHECK(back.last_connection == 34);
  CHECK(back.last_made_id == 56);
  CHECK(back.arena == 9);
  CHECK(back.gone == whole().gone);
  CHECK(back.upgrades == 3);
  CHECK(back.failed_upgrades == 2);
  CHECK(back.silent == std::vector<int>{6});
  REQUIRE(back.listeners.size() == 2);
  CHECK(back.listeners[0].address == Address{"", "127.0.0.1", 8098});
  CHECK(back.listeners[0].descriptor == 4);
  CHECK(back.listeners[1].address.unix_path == "/run/x.sock");
}

TEST_CASE("handover: a command that waits comes back as it was asked for") {
  const HandedJob back = reread(whole()).jobs.at(0);
  const HandedJob before = waiting_job();
  CHECK(to_json(back.start) == to_json(before.start));
  CHECK(back.words.argv == before.words.argv);
  CHECK(back.words.environment == before.words.environment);
  CHECK(back.said.input.bytes == "typed ahead");
  CHECK(back.said.input.is_at_end);
  CHECK(back.said.signals == std::vector<int>{SIGUSR1, SIGTERM});
  CHECK(back.said.stops == std::array<bool, 2>{false, true});
  CHECK(back.owner == 7);
  CHECK(back.request_memory == 99);
  CHECK_FALSE(back.pid.has_value());
  CHECK(back.request_size == 77);
  CHECK(back.request_digest == before.request_digest);
  CHECK(back.command == before.command);
  CHECK(back.who == before.who);
  CHECK(back.mark == before.mark);
  CHECK(back.asked_ms == before.asked_ms);
  CHECK_FALSE(back.running.has_value());
  CHECK_FALSE(back.exit.has_value());
}

TEST_CASE("handover: a command that runs comes back with all that is on its way") {
  const HandedJob back = reread(whole()).jobs.at(1);
  const HandedJob before = running_job();
  REQUIRE(back.running.has_value());
  CHECK(back.running->pid == 4711);
  CHECK(back.running->started_ms == doctest::Approx(1234.5));
  CHECK(back.running->streams.in == 7);
  CHECK(back.running->streams.out == 8);
  CHECK(back.running->streams.err == -1);
  CHECK(back.running->has_terminal);
  CHECK(back.running->group_is_over);
  CHECK(back.running->cgroup == "12");
  CHECK(back.pid == 4711);
  CHECK(back.running->input.bytes == before.running->input.bytes);
  CHECK(back.running->input.is_at_end);
  CHECK(back.running->input.is_within_a_line);
  CHECK(back.running->input.tells_end);
  CHECK(back.running->signals == before.running->signals);
  CHECK(back.running->handed_on == before.running->handed_on);
  CHECK(back.running->timeout_due_ms == 99u);
  CHECK(back.running->last_output_ms == 98u);
  CHECK(back.running->ending == Reason::cancelled);
  CHECK(back.running->termination.has_begun);
  CHECK(back.running->termination.kills == 3);
  CHECK(back.running->termination.kill_due_ms == 1234u);
  CHECK(back.running->termination.survivors == 2);
  CHECK(back.running->lingers_since_ms == 97u);
  CHECK(back.running->read_since_exit == 96);
  CHECK(back.running->handed_on_before_exit == before.running->handed_on_before_exit);
  CHECK(back.running->cut);
  REQUIRE(back.running->end.has_value());
  CHECK(back.running->end->status == ExitStatus::killed(SIGKILL));
  CHECK(back.running->end->core == true);
  CHECK(back.running->end->usage.max_rss_kb == 4096);
  CHECK(back.output[0].begin == 65530);
  CHECK(back.output[0].end == before.output[0].end);
  CHECK(back.output[0].blocks == before.output[0].blocks);
  CHECK(back.output[1].is_finished);
  CHECK(back.input_off == 6);
  CHECK(back.input_allowed == 10);
  CHECK(back.input_owed == 1);
  CHECK(back.input_ended_by_client);
  CHECK(back.input_ended);
}

TEST_CASE("handover: a command that is over comes back with its outcome, be it that it never ran") {
  const Handover back = reread(whole());
  REQUIRE(back.jobs.at(2).exit.has_value());
  CHECK(to_json(*back.jobs[2].exit) == to_json(*finished_job().exit));
  CHECK(back.jobs[2].expires_ms == 1000);
  CHECK(back.jobs[2].pid == 4712);
  CHECK(back.jobs[2].output[0].blocks == finished_job().output[0].blocks);
  REQUIRE(back.jobs.at(3).error.has_value());
  CHECK(back.jobs[3].error->errno_name == "ENOENT");
}

TEST_CASE("handover: the descriptors that must stay open are those that it names") {
  CHECK(descriptors_of(whole()) == std::vector<int>{9, 4, 5, 6, 7, 8});
  CHECK(descriptors_of(Handover{}).empty());
}

TEST_CASE("handover: an image that is cut anywhere is refused") {
  Handover handover = whole();
  handover.jobs[1].output[0].blocks[1] = std::string(65536, 'x').substr(0, 100);
  const std::string image = to_image(handover);
  for (std::size_t size = 0; size < image.size(); ++size) {
    CHECK_FALSE(from_image(std::string_view(image).substr(0, size)).ok());
  }
}

TEST_CASE("handover: one of another version is refused, and says which") {
  std::string image = to_image(whole());
  image.replace(image.find("\"v\":2"), 5, "\"v\":9");
  const auto back = from_image(image);
  REQUIRE_FALSE(back.ok());
  CHECK(back.error().message.find("version 9") != std::string::npos);
}

// As version 1 wrote it, which had no word for what came with version 2.
TEST_CASE("handover: what an older program hands over is gone on from") {
  const auto image_of = [](std::string header, const std::string& payload) {
    if (!payload.empty()) header.insert(header.size() - 1, R"(,"len":)" + std::to_string(payload.size()));
    return std::string{static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8), 0, 0} +
           header + payload;
  };
  const auto piece = [](std::string_view bytes) {
    return std::string{static_cast<char>(bytes.size()), 0, 0, 0, 0, 0, 0, 0} + std::string(bytes);
  };
  const std::string empty = R"({"begin":0,"end":0,"acknowledged":0,"is_finished":false,"blocks":0})";
  const std::string head = R"({"type":"job","mark":"","request_digest":"1","request_digest_2":"2",)"
                           R"("input_ended_by_client":true,"stdout":)" +
                           empty + R"(,"stderr":)" + empty;
  const std::string running =
      R"(,"running":{"pid":4711,"in":7,"out":8,"err":9,"input_is_at_end":true,"has_terminal":true,)"
      R"("handed_on_out":5,"last_output_ms":98}})";
  const std::string payload = piece(R"({"type":"start","id":"a","shell":true,"keep_ms":1})") + piece("") +
                              piece("") + piece("cat") + piece("uid 0") + piece("rest");
  const auto back = from_image(image_of(R"({"type":"daemon","boot":"00ff","v":1,"jobs":2})", "") +
                               image_of(head + running, payload) + image_of(head + "}", payload));
  REQUIRE_MESSAGE(back.ok(), (back.ok() ? "" : back.error().message));
  const HandedJob& runs = back->jobs.at(0);
  REQUIRE(runs.running.has_value());
  CHECK(runs.pid == 4711);
  CHECK(runs.running->input.bytes == "rest");
  CHECK(runs.running->input.is_at_end);
  CHECK(runs.start.pty.has_value());
  CHECK_FALSE(runs.running->ending.has_value());
  CHECK_FALSE(runs.running->termination.has_begun);
  CHECK(runs.running->handed_on_before_exit == std::array<std::uint64_t, 2>{5, 0});
  const HandedJob& waits = back->jobs.at(1);
  CHECK(waits.said.input.bytes == "rest");
  CHECK(waits.said.input.is_at_end);
  CHECK(waits.said.signals.empty());
  CHECK_FALSE(waits.start.pty.has_value());
}

TEST_CASE("handover: what a newer program says beside is passed over") {
  std::string image = to_image(whole());
  const std::string header = R"({"type":"news","len":3})";
  const char length[] = {static_cast<char>(header.size()), 0, 0, 0};
  image += std::string(length, 4) + header + "abc";
  CHECK(from_image(image).ok());
}
