#include <doctest/doctest.h>

#include <csignal>
#include <set>
#include <string>
#include <utility>

#include "proto/exit_status.hpp"

using namespace runwire;

TEST_CASE("exit status: it is a code or a signal") {
  CHECK_FALSE(ExitStatus::exited(0).by_signal());
  CHECK(ExitStatus::killed(SIGKILL).by_signal());
  CHECK(ExitStatus::exited(9).code() == 9);
  CHECK(ExitStatus::killed(9).signal() == 9);
  CHECK_FALSE(ExitStatus::exited(9) == ExitStatus::killed(9));
  CHECK_FALSE(ExitStatus::exited(137) == ExitStatus::killed(9));
}

TEST_CASE("exit status: a shell would show the code, or 128 and the signal's number") {
  for (int code = 0; code < 256; ++code) CHECK(ExitStatus::exited(code).shell_status() == code);
  CHECK(ExitStatus::killed(SIGHUP).shell_status() == 129);
  CHECK(ExitStatus::killed(SIGKILL).shell_status() == 137);
}

TEST_CASE("exit status: every signal has a name of its own, which is read back") {
  std::set<std::string> names;
  for (int number = 1; number < 128; ++number) {
    const std::string name = signal_name(number);
    CHECK(names.insert(name).second);
    CHECK(signal_number(name) == number);
  }
}

TEST_CASE("exit status: names are without SIG, and are those of RFC 4254 where it has one") {
  for (const auto& [number, name] :
       {std::pair(SIGABRT, "ABRT"), std::pair(SIGALRM, "ALRM"), std::pair(SIGFPE, "FPE"),
        std::pair(SIGHUP, "HUP"), std::pair(SIGILL, "ILL"), std::pair(SIGINT, "INT"),
        std::pair(SIGKILL, "KILL"), std::pair(SIGPIPE, "PIPE"), std::pair(SIGQUIT, "QUIT"),
        std::pair(SIGSEGV, "SEGV"), std::pair(SIGTERM, "TERM"), std::pair(SIGUSR1, "USR1"),
        std::pair(SIGUSR2, "USR2")})
    CHECK(signal_name(number) == name);
}

TEST_CASE("exit status: a signal without a name travels as its number") {
  CHECK(signal_name(99) == "99");
  CHECK(signal_number("99") == 99);
  CHECK(signal_number("9") == SIGKILL);
}

TEST_CASE("exit status: names that are unknown here are no signal") {
  for (const char* name :
       {"", "NOPE", "SIGKILL", "kill", "KILL ", " KILL", "0", "-9", "+9", "9x", "128", "99999999999"})
    CHECK_MESSAGE(signal_number(name) == 0, name);
}
