// What a child is to run, put into the room that it is born in; and what it says there of why it could not. Linux only.
#pragma once

#ifdef __linux__

#include "server/birth.hpp"
#include "server/spawn.hpp"

namespace runwire {

// The words, the environment and the script of the spec's program, or of its command and the shell. REQUIRES:
// birth.is_over(); what spec.direct_calls points to stays until it is over again. ERRORS, in the result: the command
// had to be written to a file, and that failed; its error is 0 where all is well.
SpawnFailure prepare_call(const SpawnSpec& spec, Birth& birth);

// Why the child never ran a program; no error where it did. REQUIRES: birth.is_over().
SpawnFailure failure_of(const Birth& birth);

}  // namespace runwire

#endif
