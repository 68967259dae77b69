#include "server/handover.hpp"

#include <cstdlib>
#include <utility>

#include "proto/frame.hpp"
#include "proto/frame_reader.hpp"
#include "proto/json_object.hpp"
#include "proto/json_writer.hpp"
#include "proto/message_fields.hpp"
#include "server/running_job_fields.hpp"

namespace runwire {
namespace {

constexpr std::string_view kStreamKeys[] = {"stdout", "stderr"};

Error broken(std::string why) {
  return {Errc::protocol, "the state that was handed over cannot be used: " + std::move(why)};
}

// A hash has all 64 bits, which no number in JSON has.
void write_hash(JsonWriter& json, std::string_view key, std::uint64_t hash) {
  json.text(key, std::to_string(hash));
}

std::uint64_t read_hash(JsonFields& fields, std::string_view key) {
  const std::string text(fields.text(key).value_or(""));
  if (text.empty() || text.find_first_not_of("0123456789") != text.npos) fields.fail(key, "is not a number");
  return std::strtoull(text.c_str(), nullptr, 10);
}

// --- bytes behind a header: strings, each behind its length ---

void pack_number(std::string& payload, std::uint64_t value) {
  for (unsigned shift = 0; shift < 64; shift += 8) payload += static_cast<char>(value >> shift & 0xff);
}

void pack(std::string& payload, std::string_view bytes) {
  pack_number(payload, bytes.size());
  payload += bytes;
}

class Unpacker {
 public:
  explicit Unpacker(std::string_view payload) : left_(payload) {}

  std::string next() {
    const std::uint64_t size = number();
    if (size > left_.size()) is_cut_ = true;
    if (is_cut_) return "";
    std::string bytes(left_.substr(0, size));
    left_.remove_prefix(size);
    return bytes;
  }
  std::uint64_t number() {
    if (left_.size() < 8) is_cut_ = true;
    if (is_cut_) return 0;
    std::uint64_t value = 0;
    for (std::size_t i = 8; i-- > 0;) value = value << 8 | static_cast<unsigned char>(left_[i]);
    left_.remove_prefix(8);
    return value;
  }
  bool is_cut() const { return is_cut_; }

 private:
  std::string_view left_;
  bool is_cut_ = false;
};

// --- a command ---

void write_output(JsonWriter& json, std::string_view key, const OutputRecord::Image& image) {
  json.begin_object(key);
  write_size(json, "begin", image.begin);
  write_size(json, "end", image.end);
  write_size(json, "acknowledged", image.acknowledged);
  json.boolean("is_finished", image.is_finished);
  write_size(json, "blocks", image.blocks.size());
  json.end_object();
}

// A block on disk is told by its number, and by nothing in the place of its bytes.
void pack_blocks(std::string& payload, const OutputRecord::Image& image) {
  for (const auto& block : image.blocks) {
    const auto* bytes = std::get_if<std::string>(&block);
    pack_number(payload, bytes != nullptr ? 0 : 1);
    if (bytes != nullptr)
      pack(payload, *bytes);
    else
      pack_number(payload, std::get<SpillArena::Block>(block));
  }
}

void read_output(JsonFields& fields, std::string_view key, OutputRecord::Image& image,
                 std::uint64_t& blocks) {
  auto inner = fields.object(key);
  if (!inner) return fields.fail(key, "is missing");
  image.begin = inner->size("begin").value_or(0);
  image.end = inner->size("end").value_or(0);
  image.acknowledged = inner->size("acknowledged").value_or(0);
  image.is_finished = inner->flag("is_finished");
  blocks = inner->size("blocks").value_or(0);
  if (image.end < image.begin) fields.fail(key, "ends before it begins");
}

void unpack_blocks(Unpacker& pieces, std::uint64_t blocks, OutputRecord::Image& image) {
  for (; blocks > 0 && !pieces.is_cut(); --blocks) {
    if (pieces.number() == 0)
      image.blocks.emplace_back(pieces.next());
    else
      image.blocks.emplace_back(static_cast<SpillArena::Block>(pieces.number()));
  }
}

void append_job(std::string& image, const HandedJob& job) {
  std::string payload;
  pack(payload, to_json(job.start));
  pack(payload, join_start_payload(job.words, job.start.shell));
  pack(payload, job.exit    ? to_json(*job.exit)
                : job.error ? to_json(SessionError{job.start.id, *job.error})
                            : "");
  pack(payload, job.command);
  pack(payload, job.who);
  pack(payload, job.running ? job.running->input.bytes : job.said.input.bytes);
  JsonWriter json;
  json.text("type", "job").text("mark", job.mark);
  write_size(json, "request_size", job.request_size);
  write_hash(json, "request_digest", job.request_digest[0]);
  write_hash(json, "request_digest_2", job.request_digest[1]);
  write_size(json, "asked_ms", job.asked_ms);
  write_size(json, "owner", job.owner);
  if (job.pid) json.number("pid", *job.pid);
  write_size(json, "request_memory", job.request_memory);
  write_signals(json, job.said.signals);
  write_true(json, "stops_stdout", job.said.stops[0]);
  write_true(json, "stops_stderr", job.said.stops[1]);
  write_size(json, "expires_ms", job.expires_ms);
  write_size(json, "input_off", job.input_off);
  write_size(json, "input_allowed", job.input_allowed);
  write_size(json, "input_owed", job.input_owed);
  json.boolean("input_ended", job.input_ended).boolean("input_ended_by_client", job.input_ended_by_client);
  if (job.running) write_running(json, *job.running);
  for (const std::size_t stream : {0, 1}) {
    write_output(json, kStreamKeys[stream], job.output[stream]);
    pack_blocks(payload, job.output[stream]);
  }
  write_size(json, "len", payload.size());
  image += frame_head(std::move(json).finish()) + payload;
}

Status take_request(Unpacker& pieces, HandedJob& job) {
  auto start = parse_client_message(pieces.next());
  RUNWIRE_TRY(start);
  auto* request = std::get_if<Start>(&*start);
  if (request == nullptr) return broken("a command without a start");
  job.start = std::move(*request);
  const std::string words = pieces.next();
  if (words.empty()) return Ok{};
  auto split = split_start_payload(job.start, words);
  RUNWIRE_TRY(split);
  job.words = std::move(*split);
  return Ok{};
}

Status take_outcome(Unpacker& pieces, HandedJob& job) {
  const std::string json = pieces.next();
  if (json.empty()) return Ok{};
  auto outcome = parse_server_message(json);
  RUNWIRE_TRY(outcome);
  if (auto* exit = std::get_if<Exit>(&*outcome)) job.exit = std::move(*exit);
  if (auto* error = std::get_if<SessionError>(&*outcome)) job.error = std::move(error->error);
  return Ok{};
}

Result<HandedJob> read_job(JsonFields& fields, std::string_view payload) {
  HandedJob job;
  Unpacker pieces(payload);
  RUNWIRE_TRY(take_request(pieces, job));
  RUNWIRE_TRY(take_outcome(pieces, job));
  job.command = pieces.next();
  job.who = pieces.next();
  std::string input = pieces.next();
  job.mark = fields.text("mark").value_or("");
  job.request_size = fields.size("request_size").value_or(0);
  job.request_digest = {read_hash(fields, "request_digest"), read_hash(fields, "request_digest_2")};
  job.asked_ms = fields.size("asked_ms").value_or(0);
  job.owner = fields.size("owner").value_or(0);
  job.request_memory = fields.size("request_memory").value_or(0);
  job.expires_ms = fields.size("expires_ms").value_or(0);
  job.input_off = fields.size("input_off").value_or(0);
  job.input_allowed = fields.size("input_allowed").value_or(0);
  job.input_owed = fields.size("input_owed").value_or(0);
  job.input_ended = fields.flag("input_ended");
  job.input_ended_by_client = fields.flag("input_ended_by_client");
  job.running = read_running(fields);
  job.pid = fields.number("pid");
  if (job.running && !job.pid) job.pid = job.running->pid;
  if (job.running && job.running->has_terminal && !job.start.pty) job.start.pty.emplace();  // version 1
  (job.running ? job.running->input.bytes : job.said.input.bytes) = std::move(input);
  job.said.input.is_at_end = job.input_ended_by_client;
  job.said.signals = read_signals(fields);
  job.said.stops = {fields.flag("stops_stdout"), fields.flag("stops_stderr")};
  for (const std::size_t stream : {0, 1}) {
    std::uint64_t blocks = 0;
    read_output(fields, kStreamKeys[stream], job.output[stream], blocks);
    unpack_blocks(pieces, blocks, job.output[stream]);
  }
  if (pieces.is_cut()) return broken("a command is cut short");
  return job;
}

// --- the rest ---

void append_daemon(std::string& image, const Handover& handover) {
  JsonWriter json;
  json.text("type", "daemon").text("boot", handover.boot);
  write_size(json, "v", kHandoverVersion);
  write_size(json, "last_job", handover.last_job);
  write_size(json, "last_connection", handover.last_connection);
  write_size(json, "last_made_id", handover.last_made_id);
  write_size(json, "upgrades", handover.upgrades);
  write_size(json, "failed_upgrades", handover.failed_upgrades);
  json.number("arena", handover.arena);
  write_size(json, "jobs", handover.jobs.size());  // so that a cut is seen
  image += frame_head(std::move(json).finish());
}

Status read_daemon(JsonFields& fields, Handover& handover, std::uint64_t& jobs) {
  const std::uint64_t version = fields.size("v").value_or(0);
  if (version < kOldestHandover || version > kHandoverVersion)
    return broken("it has version " + std::to_string(version) + ", and this program knows " +
                  std::to_string(kOldestHandover) + " to " + std::to_string(kHandoverVersion));
  handover.boot = fields.text("boot").value_or("");
  handover.last_job = fields.size("last_job").value_or(0);
  handover.last_connection = fields.size("last_connection").value_or(0);
  handover.last_made_id = fields.size("last_made_id").value_or(0);
  handover.upgrades = fields.size("upgrades").value_or(0);
  handover.failed_upgrades = fields.size("failed_upgrades").value_or(0);
  handover.arena = read_descriptor(fields, "arena");
  jobs = fields.size("jobs").value_or(0);
  return Ok{};
}

void append_listener(std::string& image, const HandedListener& listener) {
  JsonWriter json;
  json.text("type", "listener").text("unix", listener.address.unix_path).text("host", listener.address.host);
  json.number("port", listener.address.port).number("fd", listener.descriptor);
  image += frame_head(std::move(json).finish());
}

HandedListener read_listener(JsonFields& fields) {
  HandedListener listener;
  listener.address.unix_path = fields.text("unix").value_or("");
  listener.address.host = fields.text("host").value_or("");
  listener.address.port = static_cast<std::uint16_t>(fields.size("port").value_or(0));
  listener.descriptor = read_descriptor(fields, "fd");
  return listener;
}

// Of a command that is over, and whose output another process still holds: it is read on, and thrown away.
void append_leftover(std::string& image, const RunningJob& leftover) {
  JsonWriter json;
  write_running(json.text("type", "leftover"), leftover);
  image += frame_head(std::move(json).finish());
}

void append_gone(std::string& image, const std::vector<std::uint64_t>& gone) {
  std::string payload;
  for (const std::uint64_t hash : gone) pack_number(payload, hash);
  JsonWriter json;
  json.text("type", "gone");
  write_size(json, "len", payload.size());
  image += frame_head(std::move(json).finish()) + payload;
}

void read_gone(std::string_view payload, std::vector<std::uint64_t>& gone) {
  Unpacker numbers(payload);
  for (std::size_t left = payload.size() / 8; left > 0; --left) gone.push_back(numbers.number());
}

Status read_frame(JsonFields& fields, std::string_view payload, Handover& handover, std::uint64_t& jobs) {
  const std::string_view type = fields.text("type").value_or("");
  if (type == "daemon") RUNWIRE_TRY(read_daemon(fields, handover, jobs));
  if (type == "listener") handover.listeners.push_back(read_listener(fields));
  if (type == "silent") handover.silent.push_back(read_descriptor(fields, "fd"));
  if (type == "gone") read_gone(payload, handover.gone);
  if (auto leftover = type == "leftover" ? read_running(fields) : std::nullopt)
    handover.leftovers.push_back(std::move(*leftover));
  if (type == "job") {
    auto job = read_job(fields, payload);
    if (!job) return broken(job.error().message);
    handover.jobs.push_back(std::move(*job));
  }
  if (!fields.failure().empty()) return broken(std::string(type) + ": " + fields.failure());
  return Ok{};
}

// Takes the first frame off `rest`.
Status take_frame(std::string_view& rest, Handover& handover, std::uint64_t& jobs) {
  if (rest.size() < kLengthBytes || decode_length(rest.data()) > rest.size() - kLengthBytes)
    return broken("it is cut short");
  const std::string_view header = rest.substr(kLengthBytes, decode_length(rest.data()));
  rest.remove_prefix(kLengthBytes + header.size());
  const auto document = JsonDocument::parse(header);
  if (!document) return broken(document.error().message);
  JsonFields fields = document->fields();
  const std::uint64_t size = fields.size("len").value_or(0);
  if (size > rest.size()) return broken("it is cut short");
  const std::string_view payload = rest.substr(0, size);
  rest.remove_prefix(size);
  return read_frame(fields, payload, handover, jobs);
}

}  // namespace

std::string to_image(const Handover& handover) {
  std::string image;
  append_daemon(image, handover);
  for (const HandedListener& listener : handover.listeners) append_listener(image, listener);
  for (const int silent : handover.silent)
    image += frame_head(std::move(JsonWriter().text("type", "silent").number("fd", silent)).finish());
  append_gone(image, handover.gone);
  for (const HandedJob& job : handover.jobs) append_job(image, job);
  for (const RunningJob& leftover : handover.leftovers) append_leftover(image, leftover);
  return image;
}

Result<Handover> from_image(std::string_view image) {
  Handover handover;
  std::uint64_t jobs = 0;
  while (!image.empty()) RUNWIRE_TRY(take_frame(image, handover, jobs));
  if (handover.boot.empty()) return broken("it does not begin with a daemon");
  if (handover.jobs.size() != jobs) return broken("it is cut short");
  return handover;
}

std::vector<int> descriptors_of(const Handover& handover) {
  std::vector<int> all{handover.arena};
  for (const HandedListener& listener : handover.listeners) all.push_back(listener.descriptor);
  all.insert(all.end(), handover.silent.begin(), handover.silent.end());
  const auto add = [&all](const ChildStreams& streams) {
    for (const int fd : {streams.in, streams.out, streams.err}) all.push_back(fd);
  };
  for (const HandedJob& job : handover.jobs)
    if (job.running) add(job.running->streams);
  for (const RunningJob& leftover : handover.leftovers) add(leftover.streams);
  std::erase(all, -1);
  return all;
}

}  // namespace runwire
