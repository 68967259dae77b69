#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "proto/result.hpp"

using namespace runwire;

namespace {

Result<int> half(int number) {
  if (number % 2 != 0) return Error{Errc::invalid_argument, std::to_string(number) + " is odd"};
  return number / 2;
}

Result<std::string> quarter(int number) {
  auto once = half(number);
  RUNWIRE_TRY(once);
  RUNWIRE_TRY(half(*once));
  return std::to_string(*once / 2);
}

}  // namespace

TEST_CASE("result: it is a value or an error") {
  CHECK(half(8).ok());
  CHECK(*half(8) == 4);
  CHECK_FALSE(half(7));
  CHECK(half(7).error().code == Errc::invalid_argument);
  CHECK(half(7).error().message == "7 is odd");
}

TEST_CASE("result: TRY goes on after a value and leaves with an error, of whatever type") {
  CHECK(*quarter(8) == "2");
  CHECK(quarter(7).error().message == "7 is odd");
  CHECK(quarter(6).error().message == "3 is odd");
}

TEST_CASE("result: a value that can only be moved is held and moved out") {
  Result<std::unique_ptr<int>> held(std::make_unique<int>(5));
  const std::unique_ptr<int> taken = std::move(*held);
  CHECK(*taken == 5);
}

TEST_CASE("result: an Error is a value like any other where it is asked for as one") {
  const Status fine = Ok{};
  const Status bad = Error{Errc::io, "disk"};
  CHECK(fine.ok());
  CHECK(bad.error().message == "disk");
}
