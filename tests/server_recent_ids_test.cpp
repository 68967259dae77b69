#include <doctest/doctest.h>

#include "server/recent_ids.hpp"

using namespace runwire;

TEST_CASE("recent ids: knows what was added, and nothing else") {
  RecentIds recent(3);
  CHECK_FALSE(recent.contains("a"));
  recent.add("a");
  CHECK(recent.contains("a"));
  CHECK_FALSE(recent.contains("b"));
  CHECK_FALSE(recent.contains(""));
}

TEST_CASE("recent ids: forgets the oldest when there are more than it holds") {
  RecentIds recent(2);
  for (const char* id : {"a", "b", "c"}) recent.add(id);
  CHECK_FALSE(recent.contains("a"));
  CHECK(recent.contains("b"));
  CHECK(recent.contains("c"));
}

TEST_CASE("recent ids: an id that was used again is as young as its last use") {
  RecentIds recent(3);
  for (const char* id : {"a", "b", "a", "c"}) recent.add(id);
  CHECK(recent.contains("a"));
  recent.add("d");
  CHECK_FALSE(recent.contains("b"));
  CHECK(recent.contains("a"));
  recent.add("e");
  CHECK_FALSE(recent.contains("a"));
}

TEST_CASE("recent ids: the same id over and over is one, and goes as one") {
  RecentIds recent(2);
  for (int i = 0; i < 10; ++i) recent.add("a");
  CHECK(recent.contains("a"));
  recent.add("b");
  CHECK(recent.contains("a"));
  recent.add("c");
  CHECK_FALSE(recent.contains("a"));
}

TEST_CASE("recent ids: tells whether it has forgotten any") {
  RecentIds recent(2);
  recent.add("a");
  recent.add("b");
  CHECK_FALSE(recent.has_forgotten());
  recent.add("c");
  CHECK(recent.has_forgotten());
}
