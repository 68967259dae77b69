// A command's stdout and stderr on their way from the server to their readers here: none waits for the other, the
// server sends as much as they take, and a reader that goes away ends its stream.
#pragma once

#include <poll.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "client/relay_ending.hpp"
#include "client/relay_link.hpp"
#include "client/relay_output.hpp"

namespace runwire {

// So much output of each stream may be on its way to us, or wait here for its reader.
inline constexpr std::uint64_t kOutputWindow = std::uint64_t{1} << 20;

class OutputRelay {
 public:
  struct Options {
    RelayOutput::Options output;
    bool leaves_without_reader = false;  // that is told in `ending`; else the command's streams are stopped
  };

  // Both outlive this. `ending`: once it is over, the server is told nothing more.
  OutputRelay(RelayLink& link, RelayEnding& ending, const Options& options)
      : link_(link),
        ending_(ending),
        leaves_without_reader_(options.leaves_without_reader),
        output_(options.output) {}

  // ERRORS: io, and the link's.
  Status take(const Output& output, std::string_view bytes);
  Status tell(std::string_view json);  // in JSON, a header that is an event of its own
  Status finish();                     // no more comes
  // On another connection: which streams are of no use here.
  Status tell_stops();

  // A line of ours. Whether it can be written changes nothing.
  void say(std::string_view text) { output_.say(text); }
  void show(std::string_view text) { output_.show(text); }  // as RelayOutput has it
  void hide() { output_.hide(); }
  bool leaves_line_unfinished() { return output_.leaves_line_unfinished(); }

  // What to wait for, and what to do about it.
  pollfd watch(StdStream stream);
  Status look_after(StdStream stream, const pollfd& seen);
  bool is_terminal(StdStream stream) { return output_.writer_of(stream).is_terminal(); }
  bool waits_for_terminal();
  // So many bytes wait here for their readers.
  std::size_t waiting();

 private:
  Status settle(StdStream stream, const Status& written);
  Status stop(StdStream stream);

  RelayLink& link_;
  RelayEnding& ending_;
  bool leaves_without_reader_;
  RelayOutput output_;
};

}  // namespace runwire
