#include <doctest/doctest.h>
#include <signal.h>

#include <future>
#include <memory>

#include "client/detached_thread.hpp"

using namespace runwire;

TEST_CASE("detached thread: signals are for others, but for faults of its own") {
  const auto told = std::make_shared<std::promise<sigset_t>>();
  auto blocked = told->get_future();
  REQUIRE(start_detached([told] {
            sigset_t now;
            ::pthread_sigmask(SIG_SETMASK, nullptr, &now);
            told->set_value(now);
          }).ok());
  const sigset_t set = blocked.get();
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGCONT}) CHECK(sigismember(&set, number) == 1);
  for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS})
    CHECK(sigismember(&set, number) == 0);
}
