// A command's two output streams on their way to this program's own: as they are, converted, or as lines of JSON. Lines
// of ours come between them, and on a terminal never within one of theirs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "client/descriptor_writer.hpp"
#include "client/encoding.hpp"
#include "proto/result.hpp"
#include "proto/session_message.hpp"

namespace runwire {

class RelayOutput {
 public:
  struct Options {
    int out_fd = 1, err_fd = 2;
    bool json = false;             // all of it on out_fd, a line for each event
    Encoding* encoding = nullptr;  // null: bytes pass untouched. Outlives this
  };

  explicit RelayOutput(const Options& options);

  // Bytes of a stream, of which `off` came before. In JSON: a line {"type":"output","stream":...,"off":...,"text":...}
  // or, where they are not UTF-8 as they came (which may be half a character), "b64" instead of "text".
  // ERRORS: closed (nobody reads it any more), io.
  Status put(StdStream stream, std::uint64_t off, std::string_view bytes);

  // In JSON: a header that is an event of its own, as one line. Else nothing.
  Status tell(std::string_view header);

  // A line of ours on err_fd, behind what waits there. Whether it can be written changes nothing.
  void say(std::string_view text);

  // Such a line, if err_fd is a terminal, which whatever comes next takes the place of; before its turn, as long as
  // something waits for the terminal, it is not shown.
  void show(std::string_view text);
  void hide();

  // Where err_fd is a terminal: what was last written on one did not end its line. It is told once: who asks begins a
  // new one.
  bool leaves_line_unfinished();

  // No more comes: what was half a character goes out as a replacement.
  Status finish();

  // Where the stream's bytes go. In JSON both have the same.
  DescriptorWriter& writer_of(StdStream stream);
  bool shares_one_writer() const { return options_.json; }

 private:
  Status write(StdStream stream, std::uint64_t off, std::string_view text);
  Status write(DescriptorWriter& writer, std::string_view bytes);
  static std::size_t index(StdStream stream) { return stream == StdStream::err ? 1 : 0; }

  Options options_;
  DescriptorWriter out_, err_;
  std::string last_on_terminal_;            // so many bytes as tell whether a line is at its end; none: it is
  std::string shown_;                       // empty: nothing is
  std::array<std::uint64_t, 2> ends_ = {};  // of each stream: how many of its bytes have come
};

// A JSON text on one line: blanks in the place of line ends, which can stand only between its words.
std::string on_one_line(std::string_view json);

}  // namespace runwire
