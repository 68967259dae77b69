// What a daemon gets from whoever started it, and what it must not pass on to commands: open descriptors,
// ignored signals, a raised descriptor limit. Commands start as if from a fresh login of the same user.
#pragma once

#include <sys/resource.h>

#include <cstdint>

namespace runwire {

// Puts this process in order, once, before the event loop and any thread exists:
// - descriptors 0-2 are open (on /dev/null where they were not), all others are closed on exec;
// - RLIMIT_NOFILE is raised to its hard limit; children of fork() get the old soft limit back;
// - SIGPIPE is ignored (libuv gives children the default), real-time signals are at their default;
// - HOME, SHELL, USER and LOGNAME are set, where they were not, as sshd(8) does: from the user's entry in passwd(5);
// - on Linux, a child is killed should this process die without having ended it (prctl(2), PR_SET_PDEATHSIG).
void tidy_inheritance();

// RLIMIT_NOFILE as tidy_inheritance() found it; before that, as it is.
rlimit inherited_descriptor_limit();

// How many descriptors this process may have open now.
std::uint64_t descriptor_limit();

// How many it has open, or a few more, while none has a large number.
std::uint64_t descriptors_in_use();

// 0: this process has a controlling terminal, which its session shares. ENXIO: it has none (tty(4)). Another errno: who
// knows.
int error_of_own_terminal();

// Whether the signals that end or upgrade the daemon wait. Between two programs nobody would hear them, and the default
// is to die.
void hold_signals(bool yes);

}  // namespace runwire
