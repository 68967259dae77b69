#include "client/relay_output.hpp"

#include <string>

#include "client/output.hpp"
#include "proto/base64.hpp"
#include "proto/json_writer.hpp"
#include "proto/utf8.hpp"

namespace runwire {
namespace {

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
  if (options_.json) return out_.write(output_line(stream, off, text));
  if (writer_of(stream).is_terminal()) is_amid_line_ = text.back() != '\n';
  return writer_of(stream).write(text);
}

Status RelayOutput::tell(std::string_view header) {
  return options_.json ? out_.write(on_one_line(header) + "\n") : Status(Ok{});
}

void RelayOutput::say(std::string_view text) {
  (void)err_.write(line_of_ours(text));
  if (err_.is_terminal()) is_amid_line_ = false;
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
