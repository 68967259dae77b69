#include "server/child_stdio.hpp"

#include <fcntl.h>

#include <cerrno>

#include "server/child_settings.hpp"

namespace runwire {

SpawnFailure ChildStdio::open(const SpawnSpec& spec) {
  if (spec.terminal) {
    if (const int error = terminal_.open(*spec.terminal); error != 0) return {kTerminalStage, error};
    if (!spec.takes_stdin) return {"", 0};
    in_.write_end = Descriptor(fcntl(terminal_.master.get(), F_DUPFD_CLOEXEC, 0));
    return {"pipe", in_.write_end.get() < 0 ? uv_translate_sys_error(errno) : 0};
  }
  int error = spec.takes_stdin ? in_.open_to_child() : 0;
  if (error == 0) error = out_.open_from_child();
  if (error == 0) error = err_.open_from_child();
  return {"pipe", error};
}

int ChildStdio::of_child(int number) const {
  if (terminal_.slave.get() >= 0) return terminal_.slave.get();
  return number == 0 ? in_.read_end.get() : number == 1 ? out_.write_end.get() : err_.write_end.get();
}

ChildStreams ChildStdio::take_ours() {
  const bool is_terminal = terminal_.master.get() >= 0;
  return {in_.write_end.release(), is_terminal ? terminal_.master.release() : out_.read_end.release(),
          err_.read_end.release()};
}

void ChildStdio::close_ends_of_child() {
  in_.read_end = Descriptor();
  out_.write_end = Descriptor();
  err_.write_end = Descriptor();
  terminal_.slave = Descriptor();
}

}  // namespace runwire
