// `runwired --upgrade`: asks the daemon that runs to go on as the program that lies where it was started from.
#pragma once

#include "proto/result.hpp"
#include "server/options.hpp"

namespace runwire {

// Finds the daemon by its Unix socket, that of `options.listen` or the default one, sends it SIGUSR2, and waits for
// what comes of that. ERRORS: there is none, it is another user's, or it goes on as before.
Status ask_for_upgrade(const Options& options);

}  // namespace runwire
