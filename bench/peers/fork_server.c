/* What one would write in C by the book: the same protocol, with a process for each connection, to be
 * measured beside runwired.
 *
 * Any number of clients, their commands side by side; posix_spawn and one poll over the two pipes; one write
 * per reply, with TCP_NODELAY. SIGTERM ends the listening process; a connection's ends when its client goes,
 * and only then does the CPU time it took show as the listening process's children's.
 *
 * It runs whatever it is sent: for loopback, and for measuring only. */

#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "c_server.h"

extern char **environ;

static void open_pipe(int ends[2]) {
  if (pipe(ends) < 0) die("pipe");
  fcntl(ends[0], F_SETFD, FD_CLOEXEC);
  fcntl(ends[1], F_SETFD, FD_CLOEXEC);
}

static pid_t start(char *command, int out, int err) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, err, STDERR_FILENO);
  char *words[] = {"sh", "-c", command, NULL};
  pid_t pid;
  if (posix_spawn(&pid, "/bin/sh", &files, NULL, words, environ) != 0) die("posix_spawn");
  posix_spawn_file_actions_destroy(&files);
  close(out);
  close(err);
  return pid;
}

static void read_both(int out, int err, struct bytes *output) {
  char piece[65536];
  struct pollfd pipes[2] = {{.fd = out, .events = POLLIN}, {.fd = err, .events = POLLIN}};
  for (int open = 2; open > 0;) {
    if (poll(pipes, 2, -1) < 0) die("poll");
    for (int i = 0; i < 2; ++i) {
      if (!pipes[i].revents) continue;
      ssize_t size = read(pipes[i].fd, piece, sizeof piece);
      if (size > 0) {
        append(&output[i], piece, (size_t)size);
        continue;
      }
      close(pipes[i].fd);
      pipes[i].fd = -1; /* poll passes over it */
      --open;
    }
  }
}

static void run(char *command, struct bytes *reply) {
  struct bytes output[2] = {0};
  int out[2], err[2];
  open_pipe(out);
  open_pipe(err);
  pid_t pid = start(command, out[1], err[1]);
  read_both(out[0], err[0], output);
  waitpid(pid, NULL, 0);
  char header[64];
  size_t size = output[0].size + output[1].size;
  int length = snprintf(header, sizeof header, "{\"filename\":\"cls.txt\",\"len\":%zu}", size);
  unsigned char prefix[4] = {(unsigned char)length}; /* little-endian; a header is shorter than 64 */
  reply->size = 0;
  append(reply, prefix, sizeof prefix);
  append(reply, header, (size_t)length);
  for (int i = 0; i < 2; ++i) {
    if (output[i].size) append(reply, output[i].data, output[i].size);
    free(output[i].data);
  }
}

static void serve(int client) {
  struct bytes reply = {0};
  char command[65536];
  ssize_t size;
  while ((size = recv(client, command, sizeof command - 1, 0)) > 0) {
    command[size] = '\0';
    run(command, &reply);
    for (size_t sent = 0; sent < reply.size; sent += (size_t)size)
      if ((size = write(client, reply.data + sent, reply.size - sent)) < 0) die("write");
  }
}

static void reap(int signal) {
  (void)signal;
  while (waitpid(-1, NULL, WNOHANG) > 0) {
  }
}

int main(int count, char **words) {
  int listener = listen_on((in_port_t)(count > 1 ? atoi(words[1]) : 0), 0);
  dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
  signal(SIGCHLD, reap);
  for (;;) {
    int client = accept(listener, NULL, NULL);
    if (client < 0) die("accept");
    pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid == 0) {
      signal(SIGCHLD, SIG_DFL); /* run() reaps its own */
      close(listener);
      fcntl(client, F_SETFD, FD_CLOEXEC);
      setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
      serve(client);
      exit(0);
    }
    close(client);
  }
}
