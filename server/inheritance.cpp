#include "server/inheritance.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <paths.h>
#include <pthread.h>
#include <pwd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <initializer_list>

#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "server/descriptor.hpp"

namespace runwire {
namespace {

rlimit g_inherited_nofile{};
pid_t g_daemon = 0;

void open_standard_descriptors() {
  for (int fd = open("/dev/null", O_RDWR); fd >= 0; fd = open("/dev/null", O_RDWR)) {
    if (fd <= STDERR_FILENO) continue;
    close(fd);
    return;
  }
}

void mark_close_on_exec(int fd) {
  if (fd > STDERR_FILENO) fcntl(fd, F_SETFD, FD_CLOEXEC);
}

// /dev/fd exists on Linux and macOS alike and lists just what is open.
void close_others_on_exec() {
  DIR* open_descriptors = opendir("/dev/fd");
  if (open_descriptors == nullptr) {
    for (int fd = STDERR_FILENO + 1; fd < 1024; ++fd) mark_close_on_exec(fd);
    return;
  }
  while (const dirent* entry = readdir(open_descriptors)) mark_close_on_exec(std::atoi(entry->d_name));
  closedir(open_descriptors);
}

void raise_descriptor_limit() {
  getrlimit(RLIMIT_NOFILE, &g_inherited_nofile);
  rlimit raised = g_inherited_nofile;
  raised.rlim_cur = raised.rlim_max;
#ifdef __APPLE__
  if (raised.rlim_cur > OPEN_MAX) raised.rlim_cur = OPEN_MAX;  // setrlimit(2): more is EINVAL
#endif
  setrlimit(RLIMIT_NOFILE, &raised);
}

// Runs in the child of every fork(), before exec: only calls that are safe there.
void restore_in_child() {
  setrlimit(RLIMIT_NOFILE, &g_inherited_nofile);
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != g_daemon) _exit(127);  // it died between fork() and prctl()
#endif
}

void tidy_signals() {
  std::signal(SIGPIPE, SIG_IGN);
#ifdef SIGRTMIN
  for (int number = SIGRTMIN; number <= SIGRTMAX; ++number)
    std::signal(number, SIG_DFL);  // libuv resets 1..31 only
#endif
}

void set_where_missing(const char* name, const char* value) { setenv(name, value, 0); }

// A service manager or a container runtime starts a daemon without these, and programs that expect a login, such as
// GNU parallel's far end, do nothing at all without a SHELL. The look-up may go to a network, hence only in need.
void complete_environment() {
  bool complete = true;
  for (const char* name : {"HOME", "SHELL", "USER", "LOGNAME"})
    complete = complete && getenv(name) != nullptr;
  if (complete) return;
  const passwd* user = getpwuid(geteuid());
  if (user != nullptr) {
    set_where_missing("HOME", user->pw_dir);
    set_where_missing("USER", user->pw_name);
    set_where_missing("LOGNAME", user->pw_name);
  }
  const bool has_shell = user != nullptr && user->pw_shell[0] != '\0';
  set_where_missing("SHELL", has_shell ? user->pw_shell : _PATH_BSHELL);  // passwd(5): empty is /bin/sh
}

}  // namespace

void tidy_inheritance() {
  g_daemon = getpid();
  open_standard_descriptors();
  close_others_on_exec();
  raise_descriptor_limit();
  tidy_signals();
  complete_environment();
  pthread_atfork(nullptr, nullptr, restore_in_child);
}

int error_of_own_terminal() {
  const Descriptor terminal(open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC));
  return terminal.get() >= 0 ? 0 : errno;
}

void hold_signals(bool yes) {
  sigset_t ours;
  sigemptyset(&ours);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR2}) sigaddset(&ours, number);
  pthread_sigmask(yes ? SIG_BLOCK : SIG_UNBLOCK, &ours, nullptr);
}

rlimit inherited_descriptor_limit() {
  rlimit limit = g_inherited_nofile;
  if (g_daemon == 0) getrlimit(RLIMIT_NOFILE, &limit);
  return limit;
}

std::uint64_t descriptor_limit() {
  rlimit now{};
  getrlimit(RLIMIT_NOFILE, &now);
  return now.rlim_cur;
}

std::uint64_t descriptors_in_use() {
  const int lowest_free = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
  if (lowest_free < 0) return descriptor_limit();
  close(lowest_free);
  return static_cast<std::uint64_t>(lowest_free);
}

}  // namespace runwire
