// What only the start of the program has needed of its code and of its libraries'.
#pragma once

namespace runwire {

// Gives it back to the system, which maps again what is used later, from its own memory: an idle daemon is as small as
// its event loop, and not as its option parser and the linker's work. On Linux (madvise(2), MADV_DONTNEED); elsewhere,
// and under a debugger, whose breakpoints are in those pages, nothing happens.
void give_back_start_up_pages();

}  // namespace runwire
