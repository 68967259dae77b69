// What a process is doing at this moment, where the system tells.
#pragma once

#include <sys/types.h>

namespace runwire {

// Whether it runs, or would if it had a processor. False where it waits for something else, has ended, or nobody can
// tell: then the caller has to go by time alone. Source: proc(5), /proc/PID/stat.
bool wants_processor(pid_t pid);

}  // namespace runwire
