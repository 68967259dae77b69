#include <doctest/doctest.h>

#include <string>

#include "proto/limit_words.hpp"

using namespace runwire;

namespace {

CommandLimits limits_of(std::string_view words) {
  CommandLimits limits;
  REQUIRE(read_limit_words(words, limits).ok());
  return limits;
}

std::string mistake_in(std::string_view words) {
  CommandLimits limits;
  const Status read = read_limit_words(words, limits);
  REQUIRE(!read.ok());
  return read.error().message;
}

}  // namespace

TEST_CASE("limit words: each name is its own limit") {
  const CommandLimits limits = limits_of("cpu=1,as=2,nofile=3,nproc=4,fsize=5,core=0");
  CHECK(limits.cpu_s == 1);
  CHECK(limits.as_bytes == 2);
  CHECK(limits.nofile == 3);
  CHECK(limits.nproc == 4);
  CHECK(limits.fsize_bytes == 5);
  CHECK(limits.core_bytes == 0);
  CHECK(!limits.nice);
  CHECK(!limits.umask);
}

TEST_CASE("limit words: sizes have units of 1024, in either case") {
  CHECK(limits_of("as=3K").as_bytes == 3072);
  CHECK(limits_of("as=20m").as_bytes == 20u << 20);
  CHECK(limits_of("fsize=2G").fsize_bytes == std::uint64_t{2} << 30);
  CHECK(limits_of("core=1T").core_bytes == std::uint64_t{1} << 40);
}

TEST_CASE("limit words: what is said later holds, and leaves the others alone") {
  CommandLimits limits = limits_of("cpu=1,nofile=5,cpu=2");
  CHECK(read_limit_words("nofile=6", limits).ok());
  CHECK(limits.cpu_s == 2);
  CHECK(limits.nofile == 6);
}

TEST_CASE("limit words: what is no limit is named") {
  for (const std::string word : {"stack=1", "cpu", "", "=1", "CPU=1"}) {
    CAPTURE(word);
    CHECK(mistake_in("as=1," + word).find("'" + word + "' is no limit; write NAME=VALUE") == 0);
  }
}

TEST_CASE("limit words: what is no number is named") {
  for (const std::string word : {"as=", "as=K", "as=-1", "as=1.5G", "as=1KB", "as=8193T", "nofile=1K",
                                 "cpu=1s", "nproc=0x10", "cpu=99999999999999999999"}) {
    CAPTURE(word);
    CHECK(mistake_in(word).find("'" + word + "' needs a ") == 0);
  }
  CHECK(limits_of("as=8192T").as_bytes == std::uint64_t{8192} << 40);
}
