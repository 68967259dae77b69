#include "client/relay_output.hpp"

#include <termios.h>

#include <algorithm>
#include <string>
#include <utility>

#include "client/output.hpp"
#include "client/terminal_mode.hpp"
#include "proto/base64.hpp"
#include "proto/json_writer.hpp"
#include "proto/utf8.hpp"

namespace runwire {
namespace {

constexpr std::string_view kRawLineEnd = "\r\n";

// A raw terminal goes down at a line's end, and not back.
std::string_view line_end(int terminal) {
  termios modes = {};
  const bool is_raw = ::tcgetattr(terminal, &modes) == 0 && (modes.c_oflag & OPOST) == 0;
  return is_raw ? kRawLineEnd : "\n";
}

std::string_view last_of(std::string_view bytes) {
  return bytes.substr(bytes.size() - std::min(bytes.size(), kRawLineEnd.size()));
}

std::string without_end(std::string line) {
  line.pop_back();
  return line;
}

// Of a line that goes on in the next row only that one could be taken away again.
std::string as_one_row(std::string text) {
  const auto size = window_size();
  if (size) text.resize(std::min<std::size_t>(text.size(), std::max<std::size_t>(size->cols, 2) - 1));
  return text;
}

std::string output_line(StdStream stream, std::uint64_t off, std::string_view bytes) {
  JsonWriter json;
  json.text("type", "output").text("stream", name_of(stream)).number("off", static_cast<std::int64_t>(off));
  if (is_utf8(bytes))
    json.text("text", bytes);
  else
    json.text("b64", to_base64(bytes));
  return std::move(json).finish() + "\n";
}

}  // namespace

RelayOutput::RelayOutput(const Options& options)
    : options_(options), out_(options.out_fd, "stdout"), err_(options.err_fd, "stderr") {}

DescriptorWriter& RelayOutput::writer_of(StdStream stream) {
  return stream == StdStream::err && !options_.json ? err_ : out_;
}

Status RelayOutput::put(StdStream stream, std::uint64_t off, std::string_view bytes) {
  ends_[index(stream)] = off + bytes.size();
  if (options_.encoding == nullptr) return write(stream, off, bytes);
  Charset& charset = stream == StdStream::err ? options_.encoding->err : options_.encoding->out;
  return write(stream, off, charset.convert(bytes));
}

Status RelayOutput::write(StdStream stream, std::uint64_t off, std::string_view text) {
  if (text.empty()) return Ok{};
  if (options_.json) return write(out_, output_line(stream, off, text));
  return write(writer_of(stream), text);
}

Status RelayOutput::write(DescriptorWriter& writer, std::string_view bytes) {
  if (!writer.is_terminal()) return writer.write(bytes);
  if (!std::exchange(shown_, {}).empty()) RUNWIRE_TRY(writer.write(kClearLine));
  last_on_terminal_.append(last_of(bytes));
  last_on_terminal_.erase(0, last_on_terminal_.size() - last_of(last_on_terminal_).size());
  return writer.write(bytes);
}

Status RelayOutput::tell(std::string_view header) {
  return options_.json ? write(out_, on_one_line(header) + "\n") : Status(Ok{});
}

void RelayOutput::say(std::string_view text) {
  if (!err_.is_terminal()) return (void)err_.write(line_of_ours(text));
  const std::string_view end = line_end(err_.fd());
  std::string line(leaves_line_unfinished() ? end : "");
  line.append(without_end(line_of_ours(text))).append(end);
  (void)write(err_, line);
}

void RelayOutput::show(std::string_view text) {
  const bool has_turn = out_.waiting() + err_.waiting() == 0;
  if (!err_.is_terminal() || !has_turn || shown_ == text) return;
  std::string line(leaves_line_unfinished() ? line_end(err_.fd()) : "");
  line.append(kClearLine).append(as_one_row(without_end(line_of_ours(text))));
  (void)err_.write(line);
  shown_ = text;
}

void RelayOutput::hide() {
  if (!std::exchange(shown_, {}).empty()) (void)err_.write(kClearLine);
}

bool RelayOutput::leaves_line_unfinished() {
  const std::string last = std::exchange(last_on_terminal_, {});
  return !last.empty() && err_.is_terminal() && !last.ends_with(line_end(err_.fd()));
}

Status RelayOutput::finish() {
  if (options_.encoding == nullptr) return Ok{};
  const std::string out = options_.encoding->out.finish(), err = options_.encoding->err.finish();
  RUNWIRE_TRY(write(StdStream::out, ends_[index(StdStream::out)], out));
  return write(StdStream::err, ends_[index(StdStream::err)], err);
}

std::string on_one_line(std::string_view json) {
  std::string line(json);
  for (char& c : line)
    if (c == '\n' || c == '\r') c = ' ';
  return line;
}

}  // namespace runwire
