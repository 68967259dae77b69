#include <doctest/doctest.h>

#include <cstdint>

#include "server/memory_budget.hpp"

using runwire::MemoryBudget;
using runwire::MemoryLease;

TEST_CASE("memory budget: a lease gets all of what it asks for or nothing") {
  MemoryBudget budget(100);
  MemoryLease lease(budget);
  CHECK(lease.extend(60));
  CHECK_FALSE(lease.extend(41));
  CHECK(lease.held() == 60);
  CHECK(budget.left() == 40);
  CHECK(lease.extend(40));
  CHECK(budget.left() == 0);
}

TEST_CASE("memory budget: asking for more than any budget has does not wrap around") {
  MemoryBudget budget(100);
  MemoryLease lease(budget);
  CHECK_FALSE(lease.extend(SIZE_MAX));
  CHECK(budget.left() == 100);
}

TEST_CASE("memory budget: what a lease holds is given back when it dies") {
  MemoryBudget budget(100);
  {
    MemoryLease lease(budget);
    CHECK(lease.extend(100));
    lease.give_back(30);
    CHECK(budget.left() == 30);
  }
  CHECK(budget.left() == 100);
}

TEST_CASE("memory budget: a lease that was moved from gives nothing back a second time") {
  MemoryBudget budget(100);
  {
    MemoryLease from(budget);
    CHECK(from.extend(50));
    const MemoryLease to(std::move(from));
    CHECK(to.held() == 50);
    CHECK(budget.left() == 50);
  }
  CHECK(budget.left() == 100);
}

TEST_CASE("memory budget: assigning a lease loses nothing of either side") {
  MemoryBudget budget(100);
  {
    MemoryLease one(budget), other(budget);
    CHECK(one.extend(10));
    CHECK(other.extend(20));
    one = std::move(other);
    CHECK(one.held() == 20);
  }
  CHECK(budget.left() == 100);
}
