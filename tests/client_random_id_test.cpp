#include <doctest/doctest.h>

#include <set>

#include "client/random_id.hpp"

using namespace runwire;

TEST_CASE("random id: ten letters and digits that a shell leaves alone, never the same") {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) {
    const auto id = random_id();
    REQUIRE(id.ok());
    CHECK(id->size() == 10);
    CHECK(id->find_first_not_of("abcdefghijklmnopqrstuvwxyz234567") == std::string::npos);
    ids.insert(*id);
  }
  CHECK(ids.size() == 1000);
}
