// The client's own standard output and error: every byte goes out, or the failure is an error.
#pragma once

#include <string>
#include <string_view>

#include "proto/result.hpp"

namespace runwire {

// Makes sure that descriptors 0, 1 and 2 are taken, so that no socket gets the number of a closed stdout and
// receives the command's output. What is written to a closed stderr is dropped, for nobody reads it. The others still
// fail when they are used; but as ssh has it (OpenSSH's sanitise_stdfd), `drops_stdout` drops what stdout is given,
// too. For the start of main().
void occupy_standard_descriptors(bool drops_stdout);

// What follows where a command's output could not be written; to be appended to why.
inline constexpr const char* kOutputIsLost =
    "; the rest of the output is lost, and the command's exit status with it";

// Writes all of `bytes` to `fd`, also where somebody else has made it non-blocking (its flags are shared with
// other processes and are not touched). `name` is for the message. It ends as soon as `interrupt_fd` is readable,
// however long whoever reads `fd` stands still; -1: never.
// ERRORS: io, with its errno ("stdout: No space left on device": the caller knows what follows from it), closed
// (interrupted).
Status write_fully(int fd, std::string_view bytes, std::string_view name, int interrupt_fd = -1);

// Ends this program as a reader of stdout who has gone ends any that does not ignore SIGPIPE.
void end_by_broken_pipe();

// Takes away what a terminal's line shows.
inline constexpr std::string_view kClearLine = "\r\033[K";

// A line of ours for people: "runwire: " and `text` made printable.
std::string line_of_ours(std::string_view text);

// Writes that on stderr. That it can't be written can't be told anywhere.
void say(std::string_view text);

}  // namespace runwire
