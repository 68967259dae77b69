#include <doctest/doctest.h>
#include <unistd.h>

#include "bench/daemon_stats.hpp"
#include "bench/machine.hpp"
#include "tests/scripted_peer.hpp"

using namespace runwire;

namespace {

// Not a name one would choose; the kernel takes it.
constexpr const char* kStat =
    "4711 (a) b (c) S 1 4711 4711 0 -1 4194560 1 2 3 4 250 150 30 70 20 0 4 0 100 1000 200 "
    "18446744073709551615";

constexpr const char* kStatus =
    "Name:\tVmRSS: 1 kB\nVmPeak:\t  9000 kB\nVmHWM:\t    5120 kB\nVmRSS:\t    4096 kB\nThreads:\t4\n";

constexpr const char* kTcp =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    "   0: 0100007F:1FA2 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 111 1 0000 "
    "100 0\n"
    "   1: 0100007F:1FA2 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 222 1 0000 "
    "20 4\n"
    "   2: 0100007F:C350 0100007F:1FA2 01 00000000:00000000 00:00000000 00000000  1000        0 333 1 0000 "
    "20 4\n"
    "   3: 0100007F:1FA2 0100007F:C351 01 00000000:00000000 00:00000000 00000000     0        0 0 1 0000 20 "
    "4\n";

}  // namespace

TEST_CASE("daemon stats: CPU times are read past a name with blanks and parentheses") {
  const auto times = parse_proc_stat(kStat, 100);
  REQUIRE(times.has_value());
  CHECK(times->own_s == doctest::Approx(4.0));
  CHECK(times->children_s == doctest::Approx(1.0));
}

TEST_CASE("daemon stats: a stat line that is cut short tells nothing") {
  const std::string_view stat = kStat;
  CHECK_FALSE(parse_proc_stat("", 100).has_value());
  CHECK_FALSE(parse_proc_stat("4711 sh S", 100).has_value());
  CHECK_FALSE(parse_proc_stat(stat.substr(0, stat.find(" 70 ")), 100).has_value());
}

TEST_CASE("daemon stats: memory is read by the field's whole name at the start of a line") {
  CHECK(parse_status_kb(kStatus, "VmRSS") == 4096);
  CHECK(parse_status_kb(kStatus, "VmHWM") == 5120);
  CHECK(parse_status_kb(kStatus, "VmSwap") == std::nullopt);
}

TEST_CASE("daemon stats: the daemon's end of a TCP connection is told from ours and from the listener") {
  CHECK(find_tcp_inode(kTcp, 0x1fa2, 0xc350) == 222);
  CHECK(find_tcp_inode(kTcp, 0xc350, 0x1fa2) == 333);
  CHECK(find_tcp_inode(kTcp, 0x1fa2, 0xc352) == std::nullopt);
}

TEST_CASE("daemon stats: a connection that nobody has accepted has no owner yet") {
  CHECK(find_tcp_inode(kTcp, 0x1fa2, 0xc351) == std::nullopt);
}

#if defined(__linux__)
TEST_CASE("daemon stats: the process behind a TCP connection is found") {
  const test::Pair pair;
  CHECK(daemon_pid(pair.client.fd()) == ::getpid());
}

TEST_CASE("daemon stats: the process that listens on a Unix socket is found") {
  const test::SocketPath path;
  const UniqueFd listener = path.listen(1);
  const auto channel = Channel::connect(path.address(), test::kPatience);
  REQUIRE(channel.ok());
  CHECK(daemon_pid(channel->fd()) == ::getpid());
}

TEST_CASE("daemon stats: a sample of this very process has its memory and its CPU time") {
  const auto sample = sample_daemon(::getpid());
  REQUIRE(sample.has_value());
  CHECK(sample->rss_kb > 100);
  CHECK(sample->peak_rss_kb >= sample->rss_kb);
  CHECK(sample->own_cpu_s >= 0);
}

TEST_CASE("daemon stats: a process that is not there has no sample and no name") {
  CHECK_FALSE(sample_daemon(0x7fffffff).has_value());
  CHECK(program_name(0x7fffffff).empty());
}
#endif

TEST_CASE("machine: busy and stolen time come from the line of all cores, without idle and waiting") {
  const char* stat = "cpu  100 20 300 4000 500 6 7 80 9 10\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
  const auto cpu = parse_stat_cpu(stat, 100);
  REQUIRE(cpu.has_value());
  CHECK(cpu->busy_s == doctest::Approx(4.33));
  CHECK(cpu->stolen_s == doctest::Approx(0.8));
}

TEST_CASE("machine: a text that is not of that form tells nothing") {
  CHECK_FALSE(parse_stat_cpu("", 100).has_value());
  CHECK_FALSE(parse_stat_cpu("cpu 1 2 3", 100).has_value());
  CHECK_FALSE(parse_stat_cpu("intr 1 2 3 4 5 6 7 8 9", 100).has_value());
}

TEST_CASE("machine: it has a core and a kernel, and this process has used some CPU time") {
  CHECK(this_machine().cores >= 1);
  CHECK_FALSE(this_machine().kernel.empty());
  CHECK(own_cpu_s() > 0);
}
