#include <doctest/doctest.h>
#include <signal.h>

#include "client/signal_reading.hpp"

using namespace runwire;
using Meaning = SignalReading::Meaning;

namespace {

Meaning meaning_of(SignalReading& reading, int number, bool can_ask = false) {
  const auto verdict = reading.read(number, can_ask);
  CHECK(verdict.number == number);
  return verdict.meaning;
}

constexpr SignalReading::Options kKept{true, false, false};

}  // namespace

TEST_CASE("signal reading: the third interrupt in a row leaves, and the second is told so") {
  SignalReading reading({});
  CHECK(meaning_of(reading, SIGINT) == Meaning::send);
  CHECK(meaning_of(reading, SIGUSR1) == Meaning::send);  // which begins a new row
  CHECK(meaning_of(reading, SIGINT) == Meaning::send);
  CHECK(meaning_of(reading, SIGTERM) == Meaning::warn);
  CHECK(meaning_of(reading, SIGINT) == Meaning::leave);
}

TEST_CASE("signal reading: where it is to be stronger, the second one is sent as TERM") {
  SignalReading reading({false, true, false});
  CHECK(reading.read(SIGINT, false).number == SIGINT);
  CHECK(reading.read(SIGINT, false).number == SIGTERM);
}

TEST_CASE("signal reading: who leaves on a signal has a second for it, from the first one on") {
  SignalReading reading({false, false, true});
  CHECK(reading.milliseconds_to_leave() == -1);
  CHECK(meaning_of(reading, SIGUSR1) == Meaning::send);
  CHECK(reading.leaving_signal() == 0);
  CHECK(meaning_of(reading, SIGHUP) == Meaning::send);
  CHECK(meaning_of(reading, SIGTERM) == Meaning::send);
  CHECK(reading.leaving_signal() == SIGHUP);
  CHECK(reading.milliseconds_to_leave() >= 0);
  CHECK(reading.milliseconds_to_leave() <= 1000);
}

TEST_CASE("signal reading: a kept command is left by the second interrupt, of which the first one tells") {
  for (const int number : {SIGINT, SIGTERM}) {
    SignalReading reading(kKept);
    CHECK(meaning_of(reading, number) == Meaning::warn);
    CHECK(meaning_of(reading, number) == Meaning::detach);
    CHECK(meaning_of(reading, number) == Meaning::warn);
  }
}

TEST_CASE("signal reading: a kept command is left by a hangup at once, and other signals are its own") {
  SignalReading reading(kKept);
  CHECK(meaning_of(reading, SIGUSR1) == Meaning::send);
  CHECK(meaning_of(reading, SIGHUP) == Meaning::detach);
}

TEST_CASE("signal reading: a person is asked about INT, and an answer makes the next one a first one") {
  SignalReading reading(kKept);
  CHECK(meaning_of(reading, SIGTERM, true) == Meaning::warn);
  reading.begin_anew();
  CHECK(meaning_of(reading, SIGINT, true) == Meaning::ask);
  reading.begin_anew();
  CHECK(meaning_of(reading, SIGINT, true) == Meaning::ask);
  CHECK(meaning_of(reading, SIGINT, true) == Meaning::detach);
}
