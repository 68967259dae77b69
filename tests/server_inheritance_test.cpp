#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "server/inheritance.hpp"
#include "tests/forked_child.hpp"
#include "tests/loop_fixture.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

// Each test puts a child into some disorder, has it tidy up, and looks at it from inside: what it returns is the
// number of what it found wrong, 0 for nothing.
template <class Body> int flaw_in_child(Body body) { return ForkedChild(body).wait(); }

bool is_dev_null(int fd) {
  struct stat found {
  }, null{};
  return fstat(fd, &found) == 0 && stat("/dev/null", &null) == 0 && found.st_rdev == null.st_rdev;
}

rlim_t soft_limit() {
  rlimit now{};
  getrlimit(RLIMIT_NOFILE, &now);
  return now.rlim_cur;
}

void set_soft_limit(rlim_t soft) {
  rlimit now{};
  getrlimit(RLIMIT_NOFILE, &now);
  now.rlim_cur = soft;
  setrlimit(RLIMIT_NOFILE, &now);
}

}  // namespace

TEST_CASE("inheritance: descriptors 0 to 2 that were closed are opened on /dev/null") {
  CHECK(flaw_in_child([] {
          for (const int fd : {0, 1, 2}) close(fd);
          tidy_inheritance();
          for (const int fd : {0, 1, 2})
            if (!is_dev_null(fd)) return fd + 1;
          return 0;
        }) == 0);
}

TEST_CASE("inheritance: descriptors 0 to 2 that are open stay what they are") {
  CHECK(flaw_in_child([] {
          struct stat before {
          }, after{};
          fstat(1, &before);
          tidy_inheritance();
          fstat(1, &after);
          return before.st_ino == after.st_ino && (fcntl(1, F_GETFD) & FD_CLOEXEC) == 0 ? 0 : 1;
        }) == 0);
}

TEST_CASE("inheritance: every other descriptor is closed on exec, however high") {
  CHECK(flaw_in_child([] {
          const int null = open("/dev/null", O_RDONLY);
          for (const int fd : {3, 50, 200}) dup2(null, fd);
          tidy_inheritance();
          int flaws = 0;
          for (const int fd : open_descriptors()) flaws += fd > 2 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0;
          return flaws + (fcntl(200, F_GETFD) < 0);
        }) == 0);
}

TEST_CASE("inheritance: the limit of descriptors is raised for the daemon and given back to children") {
  CHECK(flaw_in_child([] {
          set_soft_limit(100);
          rlimit hard{};
          getrlimit(RLIMIT_NOFILE, &hard);
          tidy_inheritance();
          if (soft_limit() <= 100 && hard.rlim_max > 100) return 1;
          if (descriptor_limit() != soft_limit()) return 2;
          if (inherited_descriptor_limit().rlim_cur != 100) return 3;
          return flaw_in_child([] { return soft_limit() == 100 ? 0 : 4; });
        }) == 0);
}

TEST_CASE("inheritance: SIGPIPE is ignored, real-time signals are at their default") {
  CHECK(flaw_in_child([] {
#ifdef SIGRTMIN
          std::signal(SIGRTMIN + 3, SIG_IGN);
#endif
          tidy_inheritance();
          struct sigaction now {};
          sigaction(SIGPIPE, nullptr, &now);
          if (now.sa_handler != SIG_IGN) return 1;
#ifdef SIGRTMIN
          sigaction(SIGRTMIN + 3, nullptr, &now);
          if (now.sa_handler != SIG_DFL) return 2;
#endif
          return 0;
        }) == 0);
}

#ifdef __linux__

TEST_CASE("inheritance: a child dies with a daemon that is killed") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  ForkedChild daemon([&] {
    tidy_inheritance();
    if (fork() == 0) {
      if (write(ends[1], "!", 1) != 1) _exit(1);
      live();
    }
    return live();
  });
  close(ends[1]);
  char byte = 0;
  CHECK(read(ends[0], &byte, 1) == 1);
  kill(daemon.pid(), SIGKILL);
  daemon.wait();
  pollfd end{ends[0], POLLIN, 0};
  CHECK(poll(&end, 1, 10000) == 1);
  CHECK(read(ends[0], &byte, 1) == 0);  // its writer, the grandchild, is dead
  close(ends[0]);
}

#endif
