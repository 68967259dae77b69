/* What the servers in C have in common: a buffer that grows, and the listening socket on loopback. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct bytes {
  char *data;
  size_t size, room;
};

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void append(struct bytes *to, const void *data, size_t size) {
  if (to->size + size > to->room) {
    to->room = 2 * (to->size + size);
    if (!(to->data = realloc(to->data, to->room))) die("realloc");
  }
  memcpy(to->data + to->size, data, size);
  to->size += size;
}

/* `flags`: of socket(2), beside its type. Prints the ready line. */
static int listen_on(in_port_t port, int flags) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM | flags, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
  if (bind(listener, (struct sockaddr *)&address, size) < 0) die("bind");
  if (listen(listener, 1024) < 0) die("listen");
  if (getsockname(listener, (struct sockaddr *)&address, &size) < 0) die("getsockname");
  printf("listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return listener;
}
