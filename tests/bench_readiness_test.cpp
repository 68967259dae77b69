#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "bench/readiness.hpp"

using namespace runwire;

namespace {

struct SocketPair {
  SocketPair() {
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    own.reset(fds[0]);
    other.reset(fds[1]);
  }
  UniqueFd own;
  UniqueFd other;
};

template <class R> R make() {
  auto readiness = R::create();
  REQUIRE(readiness.ok());
  return std::move(*readiness);
}

template <class R> std::vector<Ready> wait(R& readiness, Nanoseconds timeout) {
  std::vector<Ready> ready{{99, true, true}};  // must be replaced
  readiness.wait(timeout, ready);
  return ready;
}

}  // namespace

#if defined(__linux__)
#define READINESS_KINDS PollReadiness, EpollReadiness
#else
#define READINESS_KINDS PollReadiness
#endif

TEST_CASE_TEMPLATE("readiness: a socket with bytes is readable, by its token", R, READINESS_KINDS) {
  R readiness = make<R>();
  SocketPair quiet;
  SocketPair speaking;
  REQUIRE(readiness.watch(quiet.own.get(), 1, Interest::read).ok());
  REQUIRE(readiness.watch(speaking.own.get(), 2, Interest::read).ok());
  REQUIRE(::write(speaking.other.get(), "x", 1) == 1);
  const auto ready = wait(readiness, 10 * kSecond);
  REQUIRE(ready.size() == 1);
  CHECK(ready[0].token == 2);
  CHECK(ready[0].readable);
  CHECK_FALSE(ready[0].writable);
}

TEST_CASE_TEMPLATE("readiness: it is told again until the bytes are read", R, READINESS_KINDS) {
  R readiness = make<R>();
  SocketPair pair;
  REQUIRE(readiness.watch(pair.own.get(), 1, Interest::read).ok());
  REQUIRE(::write(pair.other.get(), "x", 1) == 1);
  CHECK(wait(readiness, 0).size() == 1);
  CHECK(wait(readiness, 0).size() == 1);
  char byte;
  REQUIRE(::read(pair.own.get(), &byte, 1) == 1);
  CHECK(wait(readiness, 0).empty());
}

TEST_CASE_TEMPLATE("readiness: writability is told only while it is asked for", R, READINESS_KINDS) {
  R readiness = make<R>();
  SocketPair pair;
  REQUIRE(readiness.watch(pair.own.get(), 1, Interest::read_and_write).ok());
  const auto ready = wait(readiness, 10 * kSecond);
  REQUIRE(ready.size() == 1);
  CHECK(ready[0].writable);
  CHECK_FALSE(ready[0].readable);
  readiness.change(pair.own.get(), 1, Interest::read);
  CHECK(wait(readiness, 0).empty());
}

TEST_CASE_TEMPLATE("readiness: a peer that hung up makes its socket readable", R, READINESS_KINDS) {
  R readiness = make<R>();
  SocketPair pair;
  REQUIRE(readiness.watch(pair.own.get(), 1, Interest::read).ok());
  pair.other.reset();
  const auto ready = wait(readiness, 10 * kSecond);
  REQUIRE(ready.size() == 1);
  CHECK(ready[0].readable);
}

TEST_CASE_TEMPLATE("readiness: a forgotten socket is not told of, the others still are", R, READINESS_KINDS) {
  R readiness = make<R>();
  std::vector<SocketPair> pairs(10);
  for (std::uint32_t i = 0; i < pairs.size(); ++i) {
    REQUIRE(readiness.watch(pairs[i].own.get(), i, Interest::read).ok());
    REQUIRE(::write(pairs[i].other.get(), "x", 1) == 1);
  }
  for (const std::uint32_t gone : {0U, 4U, 9U}) readiness.forget(pairs[gone].own.get());
  std::vector<std::uint32_t> tokens;
  for (const Ready& ready : wait(readiness, 10 * kSecond)) tokens.push_back(ready.token);
  std::sort(tokens.begin(), tokens.end());
  CHECK(tokens == std::vector<std::uint32_t>{1, 2, 3, 5, 6, 7, 8});
}

TEST_CASE_TEMPLATE("readiness: a wait without anything ready takes its time and no less", R,
                   READINESS_KINDS) {
  R readiness = make<R>();
  SocketPair pair;
  REQUIRE(readiness.watch(pair.own.get(), 1, Interest::read).ok());
  for (const Nanoseconds span : {Nanoseconds{1}, 700 * kMicrosecond, 3 * kMillisecond, 1500 * kMicrosecond}) {
    CAPTURE(span);
    const Nanoseconds begin = now_ns();
    CHECK(wait(readiness, span).empty());
    CHECK(now_ns() - begin >= span);
  }
}

TEST_CASE_TEMPLATE("readiness: more sockets than one system call tells are all told in the end", R,
                   READINESS_KINDS) {
  R readiness = make<R>();
  std::vector<SocketPair> pairs(300);
  for (std::uint32_t i = 0; i < pairs.size(); ++i) {
    REQUIRE(readiness.watch(pairs[i].own.get(), i, Interest::read).ok());
    REQUIRE(::write(pairs[i].other.get(), "x", 1) == 1);
  }
  std::size_t told = 0;
  while (told < pairs.size()) {
    const auto ready = wait(readiness, 10 * kSecond);
    REQUIRE_FALSE(ready.empty());
    for (const Ready& each : ready) readiness.forget(pairs[each.token].own.get());
    told += ready.size();
  }
  CHECK(told == pairs.size());
  CHECK(wait(readiness, 0).empty());
}
