#include <doctest/doctest.h>

#include <string>

#include "server/fair_queue.hpp"

using runwire::FairQueue;

namespace {

using Queue = FairQueue<int, std::string>;

std::string drain(Queue& queue) {
  std::string order;
  while (!queue.empty()) order += queue.pop().second + " ";
  return order;
}

}  // namespace

TEST_CASE("fair queue: one client's items come in the order in which they were pushed") {
  Queue queue;
  for (const char* item : {"a", "b", "c"}) queue.push(1, item);
  CHECK(drain(queue) == "a b c ");
}

TEST_CASE("fair queue: clients take turns, however much one of them has queued") {
  Queue queue;
  for (const char* item : {"a1", "a2", "a3", "a4"}) queue.push(1, item);
  queue.push(2, "b1");
  queue.push(3, "c1");
  queue.push(3, "c2");
  CHECK(drain(queue) == "a1 b1 c1 a2 c2 a3 a4 ");
}

TEST_CASE("fair queue: a client that comes back goes to the end of the round") {
  Queue queue;
  queue.push(1, "a1");
  queue.push(2, "b1");
  CHECK(queue.pop().first == 1);
  queue.push(1, "a2");
  queue.push(3, "c1");
  CHECK(drain(queue) == "b1 a2 c1 ");
}

TEST_CASE("fair queue: removing a client forgets its items and its turn, and nobody else's") {
  Queue queue;
  queue.push(1, "a1");
  queue.push(2, "b1");
  queue.push(1, "a2");
  queue.push(3, "c1");
  queue.remove(1);
  CHECK(queue.size() == 2);
  CHECK(drain(queue) == "b1 c1 ");
}

TEST_CASE("fair queue: removing a client that has nothing queued changes nothing") {
  Queue queue;
  queue.push(1, "a1");
  queue.remove(7);
  CHECK(queue.size() == 1);
  queue.remove(1);
  queue.remove(1);
  CHECK(queue.empty());
}

TEST_CASE("fair queue: a client may queue again after it was removed") {
  Queue queue;
  queue.push(1, "old");
  queue.push(2, "b1");
  queue.remove(1);
  queue.push(1, "new");
  CHECK(drain(queue) == "b1 new ");
}
