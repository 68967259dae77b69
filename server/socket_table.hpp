// Linux only: the kernel's table of TCP sockets, asked about one socket at a time. Source: sock_diag(7).
#pragma once

#include <sys/socket.h>
#include <sys/types.h>

#include <optional>

namespace runwire {

struct SocketOwner {
  uid_t uid;
  bool orphan;  // closed by its process; the kernel keeps it only to finish the connection, and `uid` is void
};

// The socket on this machine whose local end is `local` and whose remote end is `remote`.
std::optional<SocketOwner> find_tcp_socket(const sockaddr_storage& local, const sockaddr_storage& remote);

}  // namespace runwire
