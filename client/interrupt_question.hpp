// What somebody at the terminal means by Ctrl-C, where the command would go on without him.
#pragma once

#include "client/signals.hpp"

namespace runwire {

enum class InterruptMeaning { interrupt, detach, nothing };

// Asks on the terminal, and waits for one key or the next signal, which means to detach. Where there is no terminal after
// all, it is an interrupt.
InterruptMeaning ask_for_meaning(Signals& signals);

}  // namespace runwire
