#ifdef __linux__

#include <doctest/doctest.h>

#include <fstream>

#include "server/start_up_pages.hpp"

namespace runwire {
namespace {

// proc(5), statm: the third number is what is resident of files.
long resident_pages_of_files() {
  std::ifstream statm("/proc/self/statm");
  long size = 0, resident = 0, of_files = 0;
  statm >> size >> resident >> of_files;
  return of_files;
}

TEST_CASE("start-up pages: few pages of code stay, and what is called later is there") {
  const long before = resident_pages_of_files();
  give_back_start_up_pages();
  CHECK(resident_pages_of_files() < before / 2);
}

}  // namespace
}  // namespace runwire

#endif
