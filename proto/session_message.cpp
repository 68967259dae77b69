#include "proto/session_message.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <iterator>
#include <span>
#include <utility>

#include "proto/base64.hpp"
#include "proto/json_object.hpp"
#include "proto/json_writer.hpp"
#include "proto/utf8.hpp"

namespace runwire {
namespace {

constexpr std::string_view kStreamNames[] = {"stdin", "stdout", "stderr"};
constexpr std::string_view kLingerNames[] = {"grace", "wait", "return"};
constexpr std::string_view kReservedTypes[] = {"attach", "detach", "forget", "list", "resize", "stats"};
constexpr StdStream kInput[] = {StdStream::in};
constexpr StdStream kOutputs[] = {StdStream::out, StdStream::err};
constexpr std::size_t kShownBytes = 32;  // of a wrong value

Error broken(std::string why) { return {Errc::protocol, std::move(why)}; }

std::string shown(std::string_view value) { return json_quote(value.substr(0, kShownBytes)); }

std::string text_or_empty(JsonFields& fields, std::string_view key) {
  return std::string(fields.text(key).value_or(""));
}

std::string optional_id(JsonFields& fields) {
  const auto id = fields.text("id");
  if (!id) return "";
  if (id->empty() || id->size() > kMaxIdBytes)
    fields.fail("id", "must have 1 to " + std::to_string(kMaxIdBytes) + " bytes");
  if (id->find('\0') != id->npos) fields.fail("id", "cannot hold a NUL byte");
  return std::string(*id);
}

std::string needed_id(JsonFields& fields) {
  std::string id = optional_id(fields);
  if (id.empty()) fields.fail("id", "is missing");
  return id;
}

StdStream read_stream(JsonFields& fields, std::span<const StdStream> allowed) {
  const auto name = fields.text("stream");
  if (!name) fields.fail("stream", "is missing");
  for (const StdStream each : allowed)
    if (name == name_of(each)) return each;
  if (name) fields.fail("stream", "cannot be " + shown(*name) + " here");
  return allowed.front();
}

int read_signal(JsonFields& fields) {
  const auto name = fields.text("signal");
  if (!name) fields.fail("signal", "is missing");
  const int number = name ? signal_number(*name) : 0;
  if (name && number == 0) fields.fail("signal", "names no signal that is known here: " + shown(*name));
  return number;
}

// Text as it is where it can be; else {"b64": "..."}.
void write_bytes(JsonWriter& json, std::string_view key, std::string_view bytes) {
  if (is_utf8(bytes))
    json.text(key, bytes);
  else
    json.begin_object(key).text("b64", to_base64(bytes)).end_object();
}

std::string read_bytes(JsonFields& fields, std::string_view key) {
  std::string bytes;
  if (fields.is_object(key)) {
    auto inner = fields.object(key);
    const auto decoded = from_base64(inner->text("b64").value_or("?"));
    if (!decoded) fields.fail(key, "must be a string, or an object whose \"b64\" is one in base64");
    bytes = decoded.value_or("");
  } else {
    bytes = text_or_empty(fields, key);
  }
  if (bytes.find('\0') != bytes.npos) fields.fail(key, "cannot hold a NUL byte");
  return bytes;
}

std::uint64_t payload_of(JsonFields& fields, std::uint64_t most = kMaxSessionPayloadBytes) {
  const std::uint64_t len = fields.size("len").value_or(0);
  if (len > most) fields.fail("len", "may be " + std::to_string(most) + " at most here");
  return len;
}

// --- from the client ---

ClientHello read_client_hello(JsonFields& fields) {
  if (fields.number("v").value_or(0) != kSessionVersion)
    fields.fail("v", "must be " + std::to_string(kSessionVersion) + ", the version spoken here");
  payload_of(fields, 0);
  return {fields.size("window")};
}

void read_what_to_run(JsonFields& fields, Start& start) {
  start.shell = fields.flag("shell");
  start.argc = fields.size("argc").value_or(0);
  start.envc = fields.size("envc").value_or(0);
  if (start.shell == (start.argc > 0))
    fields.fail("argc", "or a true \"shell\" says what the payload is: one of them");
  start.clear_env = fields.flag("clear_env");
  start.cwd = read_bytes(fields, "cwd");
}

void read_how_to_answer(JsonFields& fields, Start& start) {
  const std::string_view reply = fields.text("reply").value_or("stream");
  if (reply != "stream" && reply != "whole") fields.fail("reply", "cannot be " + shown(reply));
  start.reply = reply == "whole" ? ReplyForm::whole : ReplyForm::stream;
  const std::string_view linger = fields.text("linger").value_or(name_of(Linger::grace));
  if (!linger_named(linger)) fields.fail("linger", "cannot be " + shown(linger));
  start.linger = linger_named(linger).value_or(Linger::grace);
  start.timeout_ms = fields.size("timeout_ms");
  start.idle_ms = fields.size("idle_ms");
}

// What has its place in a start and is not done here. To run the command without it would be something else than
// what was asked for.
std::string unsupported_key(JsonFields& fields) {
  for (const char* key : {"pty", "keep_ms", "limits"})
    if (fields.is_set(key)) return key;
  const std::string_view full = fields.text("full").value_or("block");
  return full == "block" ? "" : "full";
}

Start read_start(JsonFields& fields) {
  Start start;
  start.id = optional_id(fields);
  read_what_to_run(fields, start);
  start.takes_stdin = fields.flag("stdin");
  read_how_to_answer(fields, start);
  start.unsupported = unsupported_key(fields);
  start.len = payload_of(fields);
  return start;
}

StdinBytes read_stdin(JsonFields& fields) {
  const auto off = fields.size("off");
  if (!off) fields.fail("off", "is missing");
  return {needed_id(fields), off.value_or(0), fields.flag("eof"), payload_of(fields)};
}

Credit read_credit(JsonFields& fields, std::span<const StdStream> allowed) {
  payload_of(fields, 0);
  const auto bytes = fields.size("bytes");
  if (!bytes) fields.fail("bytes", "is missing");
  return {needed_id(fields), read_stream(fields, allowed), bytes.value_or(0)};
}

Stop read_stop(JsonFields& fields, std::span<const StdStream> allowed) {
  payload_of(fields, 0);
  return {needed_id(fields), read_stream(fields, allowed)};
}

Signal read_signal_message(JsonFields& fields) {
  payload_of(fields, 0);
  return {needed_id(fields), read_signal(fields)};
}

template <class Message> Message read_bare(JsonFields& fields) {
  payload_of(fields, 0);
  return {};
}

// An unknown type, with `most` bytes behind it at most. ERRORS: it may not be passed over.
template <class Message>
Result<Message> read_unknown(JsonFields& fields, std::string_view type, std::uint64_t most) {
  if (!fields.flag("optional")) return broken("unknown type " + shown(type));
  return Message(Optional{payload_of(fields, most)});
}

Result<ClientMessage> read_client_message(JsonFields& fields, std::string_view type) {
  if (type == "stdin") return ClientMessage(read_stdin(fields));
  if (type == "start") return ClientMessage(read_start(fields));
  if (type == "credit") return ClientMessage(read_credit(fields, kOutputs));
  if (type == "signal") return ClientMessage(read_signal_message(fields));
  if (type == "stop") return ClientMessage(read_stop(fields, kOutputs));
  if (type == "ping") return ClientMessage(read_bare<Ping>(fields));
  if (type == "pong") return ClientMessage(read_bare<Pong>(fields));
  if (type == "hello") return ClientMessage(read_client_hello(fields));
  if (std::find(std::begin(kReservedTypes), std::end(kReservedTypes), type) != std::end(kReservedTypes))
    return ClientMessage(Reserved{std::string(type), optional_id(fields), payload_of(fields)});
  return read_unknown<ClientMessage>(fields, type, kMaxSessionPayloadBytes);
}

// --- from the server ---

ServerHello read_server_hello(JsonFields& fields) {
  if (fields.number("v").value_or(0) != kSessionVersion) fields.fail("v", "is a version not spoken here");
  payload_of(fields, 0);
  ServerHello hello;
  hello.boot = text_or_empty(fields, "boot");
  hello.server = text_or_empty(fields, "server");
  hello.ping_ms = fields.size("ping_ms").value_or(0);
  auto limits = fields.object("limits");
  if (!limits) return hello;
  hello.limits.header = limits->size("header").value_or(hello.limits.header);
  hello.limits.payload = limits->size("payload").value_or(hello.limits.payload);
  hello.limits.depth = limits->size("depth").value_or(hello.limits.depth);
  hello.limits.stdin_window = limits->size("stdin_window").value_or(hello.limits.stdin_window);
  if (!limits->failure().empty()) fields.fail("limits", "is malformed: " + limits->failure());
  return hello;
}

Started read_started(JsonFields& fields) {
  payload_of(fields, 0);
  return {needed_id(fields), fields.number("pid").value_or(0), fields.flag("existing")};
}

Output read_output(JsonFields& fields) {
  const auto off = fields.size("off");
  if (!off) fields.fail("off", "is missing");
  return {needed_id(fields), read_stream(fields, kOutputs), off.value_or(0),
          payload_of(fields, kMaxPayloadBytes)};
}

std::uint64_t needed_size(JsonFields& fields, std::string_view key) {
  const auto size = fields.size(key);
  if (!size) fields.fail(key, "is missing");
  return size.value_or(0);
}

Exit read_exit(JsonFields& fields) {
  Exit exit;
  exit.id = needed_id(fields);
  const auto status = read_status(fields);
  if (!status) fields.fail("code", "and \"signal\" are both missing: the outcome is unknown");
  exit.status = status.value_or(exit.status);
  exit.core = fields.boolean("core");
  exit.reason = reason_named(fields.text("reason").value_or(""));
  exit.stdout_bytes = needed_size(fields, "stdout");
  exit.stderr_bytes = needed_size(fields, "stderr");
  exit.truncated = fields.flag("truncated");
  exit.cut = fields.flag("cut");
  exit.survivors = fields.number("survivors");
  exit.usage = read_usage(fields);
  exit.len = payload_of(fields, kMaxPayloadBytes);
  if (exit.len != 0 && exit.len != exit.stdout_bytes + exit.stderr_bytes)
    fields.fail("stdout", "and \"stderr\" do not add up to \"len\"");
  return exit;
}

SessionError read_session_error(JsonFields& fields) {
  payload_of(fields, 0);
  auto error = read_error(fields);
  if (!error) fields.fail("error", "is missing");
  return {optional_id(fields), error.value_or(ErrorReply{})};
}

Result<ServerMessage> read_server_message(JsonFields& fields, std::string_view type) {
  if (type == "output") return ServerMessage(read_output(fields));
  if (type == "started") return ServerMessage(read_started(fields));
  if (type == "exit") return ServerMessage(read_exit(fields));
  if (type == "credit") return ServerMessage(read_credit(fields, kInput));
  if (type == "ping") return ServerMessage(read_bare<Ping>(fields));
  if (type == "pong") return ServerMessage(read_bare<Pong>(fields));
  if (type == "error") return ServerMessage(read_session_error(fields));
  if (type == "stop") return ServerMessage(read_stop(fields, kInput));
  if (type == "hello") return ServerMessage(read_server_hello(fields));
  return read_unknown<ServerMessage>(fields, type, kMaxPayloadBytes);
}

// Reads a header whose "type" `read` understands.
template <class Message, class Read> Result<Message> parse_message(std::string_view json, Read read) {
  const auto document = JsonDocument::parse(json);
  if (!document) return broken("header: " + document.error().message);
  JsonFields fields = document->fields();
  const auto type = fields.text("type");
  if (!type) return broken("header: \"type\" is missing");
  auto message = read(fields, *type);
  if (!message) return message;
  if (!fields.failure().empty()) return broken(std::string(*type) + ": " + fields.failure());
  return message;
}

// A message begins with its type and, where it is about a command, with the id of that.
JsonWriter begin(std::string_view type, std::string_view id = "") {
  JsonWriter json;
  json.text("type", type);
  if (!id.empty()) json.text("id", id);
  return json;
}

void write_size(JsonWriter& json, std::string_view key, std::uint64_t value) {
  json.number(key, static_cast<std::int64_t>(value));
}

void write_true(JsonWriter& json, std::string_view key, bool value) {
  if (value) json.boolean(key, true);
}

// Where the next of `words` NUL-terminated words ends; npos where there is none.
std::optional<std::string_view> take_word(std::string_view& rest) {
  const auto end = rest.find('\0');
  if (end == rest.npos) return std::nullopt;
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return word;
}

Status take_words(std::string_view& rest, std::uint64_t count, std::vector<std::string>& words) {
  for (; count > 0; --count) {
    const auto word = take_word(rest);
    if (!word) return broken("start: the payload has fewer words than were announced");
    words.emplace_back(*word);
  }
  return Ok{};
}

}  // namespace

std::string_view name_of(StdStream stream) { return kStreamNames[static_cast<std::size_t>(stream)]; }
std::string_view name_of(Linger linger) { return kLingerNames[static_cast<std::size_t>(linger)]; }

std::optional<Linger> linger_named(std::string_view name) {
  const auto* found = std::find(std::begin(kLingerNames), std::end(kLingerNames), name);
  if (found == std::end(kLingerNames)) return std::nullopt;
  return static_cast<Linger>(found - std::begin(kLingerNames));
}

std::string to_json(const ClientHello& message) {
  JsonWriter json = begin("hello");
  json.number("v", kSessionVersion);
  if (message.window) write_size(json, "window", *message.window);
  return std::move(json).finish();
}

std::string to_json(const Start& message) {
  JsonWriter json = begin("start", message.id);
  write_true(json, "shell", message.shell);
  if (!message.shell) write_size(json, "argc", message.argc);
  if (message.envc > 0) write_size(json, "envc", message.envc);
  write_true(json, "clear_env", message.clear_env);
  if (!message.cwd.empty()) write_bytes(json, "cwd", message.cwd);
  write_true(json, "stdin", message.takes_stdin);
  if (message.reply == ReplyForm::whole) json.text("reply", "whole");
  if (message.linger != Linger::grace) json.text("linger", name_of(message.linger));
  if (message.timeout_ms) write_size(json, "timeout_ms", *message.timeout_ms);
  if (message.idle_ms) write_size(json, "idle_ms", *message.idle_ms);
  write_size(json, "len", message.len);
  return std::move(json).finish();
}

std::string to_json(const StdinBytes& message) {
  JsonWriter json = begin("stdin", message.id);
  write_size(json, "off", message.off);
  write_true(json, "eof", message.eof);
  if (message.len > 0) write_size(json, "len", message.len);
  return std::move(json).finish();
}

std::string to_json(const Signal& message) {
  JsonWriter json = begin("signal", message.id);
  return std::move(json.text("signal", signal_name(message.signal))).finish();
}

std::string to_json(const Stop& message) {
  JsonWriter json = begin("stop", message.id);
  return std::move(json.text("stream", name_of(message.stream))).finish();
}

std::string to_json(const Credit& message) {
  JsonWriter json = begin("credit", message.id);
  json.text("stream", name_of(message.stream));
  write_size(json, "bytes", message.bytes);
  return std::move(json).finish();
}

std::string to_json(const Ping&) { return begin("ping").finish(); }
std::string to_json(const Pong&) { return begin("pong").finish(); }

std::string to_json(const ServerHello& message) {
  JsonWriter json = begin("hello");
  json.number("v", kSessionVersion).text("boot", message.boot).text("server", message.server);
  json.begin_object("limits");
  write_size(json, "header", message.limits.header);
  write_size(json, "payload", message.limits.payload);
  write_size(json, "depth", message.limits.depth);
  write_size(json, "stdin_window", message.limits.stdin_window);
  json.end_object();
  write_size(json, "ping_ms", message.ping_ms);
  return std::move(json).finish();
}

std::string to_json(const Started& message) {
  JsonWriter json = begin("started", message.id);
  return std::move(json.number("pid", message.pid).boolean("existing", message.existing)).finish();
}

std::string to_json(const Output& message) {
  JsonWriter json = begin("output", message.id);
  json.text("stream", name_of(message.stream));
  write_size(json, "off", message.off);
  write_size(json, "len", message.len);
  return std::move(json).finish();
}

std::string to_json(const Exit& message) {
  assert(message.reason);
  JsonWriter json = begin("exit", message.id);
  write_status(json, message.status);
  if (message.core)
    json.boolean("core", *message.core);
  else
    json.null("core");
  json.text("reason", name_of(*message.reason));
  write_size(json, "stdout", message.stdout_bytes);
  write_size(json, "stderr", message.stderr_bytes);
  json.boolean("truncated", message.truncated).boolean("cut", message.cut);
  json.number_or_null("survivors", message.survivors);
  write_usage(json, message.usage);
  if (message.len > 0) write_size(json, "len", message.len);
  return std::move(json).finish();
}

std::string to_json(const SessionError& message) {
  JsonWriter json = begin("error", message.id);
  write_error(json, message.error);
  return std::move(json).finish();
}

Result<ClientMessage> parse_client_message(std::string_view json) {
  return parse_message<ClientMessage>(json, read_client_message);
}

Result<ServerMessage> parse_server_message(std::string_view json) {
  return parse_message<ServerMessage>(json, read_server_message);
}

std::uint64_t payload_bytes(const ClientMessage& message) {
  if (const auto* start = std::get_if<Start>(&message)) return start->len;
  if (const auto* bytes = std::get_if<StdinBytes>(&message)) return bytes->len;
  if (const auto* reserved = std::get_if<Reserved>(&message)) return reserved->len;
  if (const auto* optional = std::get_if<Optional>(&message)) return optional->len;
  return 0;
}

std::uint64_t payload_bytes(const ServerMessage& message) {
  if (const auto* output = std::get_if<Output>(&message)) return output->len;
  if (const auto* exit = std::get_if<Exit>(&message)) return exit->len;
  if (const auto* optional = std::get_if<Optional>(&message)) return optional->len;
  return 0;
}

Result<StartWords> split_start_payload(const Start& start, std::string_view payload) {
  StartWords words;
  if (start.shell && start.envc == 0) {
    words.line = payload;
    if (words.line.find('\0') != words.line.npos)
      return broken("start: a shell line cannot hold a NUL byte; nothing was run");
    return words;
  }
  if (start.shell) {
    const auto line = take_word(payload);
    if (!line) return broken("start: before environment words the line ends with a NUL byte");
    words.line = *line;
  }
  RUNWIRE_TRY(take_words(payload, start.argc, words.argv));
  RUNWIRE_TRY(take_words(payload, start.envc, words.environment));
  if (!payload.empty()) return broken("start: the payload has more words than were announced");
  if (!start.shell && words.argv[0].empty()) return broken("start: the first word, the program, is empty");
  const auto has_no_name = [](const std::string& word) {
    return word.find('=') == 0 || word.find('=') == word.npos;
  };
  if (std::any_of(words.environment.begin(), words.environment.end(), has_no_name))
    return broken("start: a word of the environment is not NAME=VALUE");
  return words;
}

std::string join_start_payload(const StartWords& words, bool shell) {
  if (shell && words.environment.empty()) return words.line;
  std::string payload;
  if (shell) payload.append(words.line).push_back('\0');
  for (const auto* list : {&words.argv, &words.environment})
    for (const std::string& word : *list) payload.append(word).push_back('\0');
  return payload;
}

}  // namespace runwire
