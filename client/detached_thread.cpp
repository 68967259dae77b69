#include "client/detached_thread.hpp"

#include <pthread.h>
#include <signal.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>

namespace runwire {
namespace {

using Body = std::function<void()>;

// Of the thread's own doing. One that is blocked would end the program unheard, with whatever it wants to set right
// before.
constexpr int kFaults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};

void* run(void* argument) {
  const std::unique_ptr<Body> body(static_cast<Body*>(argument));
  (*body)();
  return nullptr;
}

}  // namespace

Status start_detached(std::function<void()> body) {
  auto theirs = std::make_unique<Body>(std::move(body));
  sigset_t not_theirs, before;
  sigfillset(&not_theirs);
  for (const int number : kFaults) sigdelset(&not_theirs, number);
  ::pthread_sigmask(SIG_SETMASK, &not_theirs, &before);
  pthread_t thread;
  const int error = ::pthread_create(&thread, nullptr, run, theirs.get());
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) return Error{Errc::io, std::string("pthread_create: ") + std::strerror(error)};
  (void)theirs.release();  // the thread frees it
  ::pthread_detach(thread);
  return Ok{};
}

}  // namespace runwire
