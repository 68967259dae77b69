// How long this process may compute before another that waits for the same CPU gets it.
#pragma once

namespace runwire {

// Asks for a short one, which is what lets a process that has slept run at once when it is woken: an event loop does
// little at a time, but what it does others wait for. Without it, what a command has written is often read only when that
// command has ended, though a CPU is idle: a first byte comes 9 % later. The share of the CPU stays the same, and what
// this process starts has the usual slice.
//
// Linux 6.12 and later (sched_setattr(2), sched_runtime of a normal policy; no privilege is needed). Nothing changes
// elsewhere, nor where the one who started us has asked for something else: another policy, a negative nice value, which
// commands are to have as well, or a shorter slice.
void take_short_slices();

}  // namespace runwire
