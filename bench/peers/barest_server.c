/* The barest server of the plain protocol: what a command costs a daemon that does nothing else, to be measured beside
 * runwired. It is no peer: nobody would use it.
 *
 *     barest_server session|group [PORT]
 *
 * The word says what each command leads: a session of its own, as with runwired, or only a process group.
 *
 * One loop over epoll that does as runwired does: a child is born beside the loop, in its memory; SIGCHLD comes from a
 * descriptor; at most two young commands a processor, whose pipes are read when they have ended, and watched when they
 * are older. Nothing is bounded, checked or cleaned up after, and a client that does not read holds up all others. It
 * runs whatever it is sent: for loopback, and for measuring only. Linux only. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "c_server.h"

enum { YOUNG_MS = 10, STACK_BYTES = 16384, LONGEST = 65536, EVENTS = 64 };

extern char **environ;

/* What an event is about: first in each of those that epoll knows. */
enum kind { LISTENER, CHILDREN, CLIENT, PIPE };

struct client {
  enum kind kind;
  int fd; /* -1: it has gone, and this goes with its last command */
  int commands;
};

struct pipe {
  enum kind kind;
  struct command *command;
  int fd; /* -1: at its end */
  struct bytes output;
};

struct command {
  struct command *next;
  struct client *client;
  char *text;
  pid_t pid;
  bool has_ended, is_watched;
  long old_ms;
  struct pipe pipes[2]; /* its stdout and stderr */
  int child_ends[2];
  _Alignas(16) char stack[STACK_BYTES]; /* the child's, until it runs its program */
};

static bool leads_session;
static int epoll_fd, null_fd, young, young_places;
static sigset_t no_signals;
static struct command *running, *spent, *waiting, **last_waiting = &waiting;

static long now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void watch(int fd, void *what) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
  if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) die("epoll_ctl");
}

/* Not close() alone: a child that is being born has a copy of it for a moment, and epoll goes by those. */
static void stop_watching(int fd) {
  epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
  close(fd);
}

static int child(void *argument) {
  struct command *command = argument;
  if (leads_session)
    setsid();
  else
    setpgid(0, 0);
  dup2(null_fd, STDIN_FILENO);
  dup2(command->child_ends[0], STDOUT_FILENO);
  dup2(command->child_ends[1], STDERR_FILENO);
  sigprocmask(SIG_SETMASK, &no_signals, NULL);
  char *words[] = {"sh", "-c", command->text, NULL};
  execve("/bin/sh", words, environ);
  _exit(127);
}

static void start(struct command *command) {
  for (int i = 0; i < 2; ++i) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) die("pipe2");
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    command->pipes[i] = (struct pipe){PIPE, command, ends[0], command->pipes[i].output};
    command->pipes[i].output.size = 0;
    command->child_ends[i] = ends[1];
  }
  command->pid = clone(child, command->stack + STACK_BYTES, CLONE_VM | SIGCHLD, command);
  if (command->pid < 0) die("clone");
  close(command->child_ends[0]);
  close(command->child_ends[1]);
  command->has_ended = command->is_watched = false;
  command->old_ms = now_ms() + YOUNG_MS;
  command->next = running;
  running = command;
  ++young;
}

static void answer(const struct command *command) {
  char header[64];
  const struct bytes *out = &command->pipes[0].output, *err = &command->pipes[1].output;
  int length = snprintf(header + 4, sizeof header - 4, "{\"filename\":\"cls.txt\",\"len\":%zu}", out->size + err->size);
  memcpy(header, &length, 4); /* little-endian, as the machines that this is for */
  struct iovec parts[] = {{header, 4 + (size_t)length}, {out->data, out->size}, {err->data, err->size}};
  struct msghdr reply = {.msg_iov = parts, .msg_iovlen = 3};
  while (reply.msg_iovlen > 0) {
    ssize_t sent = sendmsg(command->client->fd, &reply, MSG_NOSIGNAL);
    if (sent < 0) return; /* it has gone: its end is read next */
    for (; reply.msg_iovlen > 0 && (size_t)sent >= reply.msg_iov->iov_len; ++reply.msg_iov, --reply.msg_iovlen)
      sent -= (ssize_t)reply.msg_iov->iov_len;
    if (reply.msg_iovlen == 0) break;
    reply.msg_iov->iov_base = (char *)reply.msg_iov->iov_base + sent;
    reply.msg_iov->iov_len -= (size_t)sent;
  }
}

static void release(struct client *client) {
  if (client->fd < 0 && client->commands == 0) free(client);
}

static void read_pipe(struct pipe *pipe) {
  static char piece[LONGEST];
  ssize_t size;
  while (pipe->fd >= 0 && (size = read(pipe->fd, piece, sizeof piece)) >= 0) {
    if (size > 0) {
      append(&pipe->output, piece, (size_t)size);
      continue;
    }
    if (pipe->command->is_watched)
      stop_watching(pipe->fd);
    else
      close(pipe->fd);
    pipe->fd = -1;
  }
}

/* When it has ended and both its pipes are at theirs. */
static void finish(struct command *command) {
  if (!command->has_ended || command->pipes[0].fd >= 0 || command->pipes[1].fd >= 0) return;
  struct command **at = &running;
  while (*at != command) at = &(*at)->next;
  *at = command->next;
  if (!command->is_watched) --young;
  if (command->client->fd >= 0) answer(command);
  --command->client->commands;
  release(command->client);
  free(command->text);
  command->next = spent;
  spent = command;
}

static void grow_old(struct command *command) {
  for (int i = 0; i < 2; ++i)
    if (command->pipes[i].fd >= 0) watch(command->pipes[i].fd, &command->pipes[i]);
  command->is_watched = true;
  --young;
}

static void reap(int children) {
  struct signalfd_siginfo information;
  if (read(children, &information, sizeof information) < 0) return;
  for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) > 0;) {
    struct command *command = running;
    while (command && command->pid != pid) command = command->next;
    if (!command) continue; /* not ours: adopted */
    command->has_ended = true;
    read_pipe(&command->pipes[0]);
    read_pipe(&command->pipes[1]);
    if (!command->is_watched && (command->pipes[0].fd >= 0 || command->pipes[1].fd >= 0)) grow_old(command);
    finish(command);
  }
}

static void hear(struct client *client) {
  char text[LONGEST];
  ssize_t size = recv(client->fd, text, sizeof text - 1, MSG_DONTWAIT);
  if (size < 0 && errno == EAGAIN) return;
  if (size <= 0) {
    stop_watching(client->fd);
    client->fd = -1;
    return release(client);
  }
  struct command *command = spent;
  if (command)
    spent = command->next;
  else if (!(command = calloc(1, sizeof *command)))
    die("calloc");
  text[size] = '\0';
  if (!(command->text = strdup(text))) die("strdup");
  command->client = client;
  ++client->commands;
  command->next = NULL;
  *last_waiting = command;
  last_waiting = &command->next;
}

static void welcome(int listener) {
  int fd;
  while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
    struct client *client = malloc(sizeof *client);
    if (!client) die("malloc");
    *client = (struct client){CLIENT, fd, 0};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    watch(fd, client);
  }
  if (errno != EAGAIN && errno != ECONNABORTED) die("accept4");
}

static int children_fd(void) {
  sigset_t ended;
  sigemptyset(&ended);
  sigaddset(&ended, SIGCHLD);
  sigprocmask(SIG_BLOCK, &ended, NULL);
  return signalfd(-1, &ended, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void handle(const struct epoll_event *event, int listener, int children) {
  void *what = event->data.ptr;
  switch (*(enum kind *)what) {
    case LISTENER:
      return welcome(listener);
    case CHILDREN:
      return reap(children);
    case CLIENT:
      return hear(what);
    case PIPE:
      if (((struct pipe *)what)->fd < 0) return; /* an event before this one ended its command */
      read_pipe(what);
      return finish(((struct pipe *)what)->command);
  }
}

static void look_at_ages(void) {
  long now = now_ms();
  for (struct command *command = running; command; command = command->next)
    if (!command->is_watched && command->old_ms <= now) grow_old(command);
}

int main(int count, char **words) {
  if (count < 2) return fputs("usage: barest_server session|group [PORT]\n", stderr), 2;
  leads_session = strcmp(words[1], "session") == 0;
  int listener = listen_on((in_port_t)(count > 2 ? atoi(words[2]) : 0), SOCK_CLOEXEC | SOCK_NONBLOCK);
  int children = children_fd();
  static enum kind listener_kind = LISTENER, children_kind = CHILDREN;
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  young_places = 2 * (int)sysconf(_SC_NPROCESSORS_ONLN);
  null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  watch(listener, &listener_kind);
  watch(children, &children_kind);
  for (struct epoll_event events[EVENTS];;) {
    if (waiting) sched_yield();
    int happened = epoll_wait(epoll_fd, events, EVENTS, young > 0 ? YOUNG_MS : -1);
    for (int i = 0; i < happened; ++i) handle(&events[i], listener, children);
    if (young > 0) look_at_ages();
    while (waiting && young < young_places) {
      struct command *next = waiting;
      if (!(waiting = next->next)) last_waiting = &waiting;
      start(next);
    }
  }
}
