// Who is at the other end of an accepted connection, and whether somebody still is.
//
// On a Unix socket the kernel tells (SO_PEERCRED, getpeereid). On loopback TCP the owner of the peer's socket is
// asked for, on Linux by one exact query to the kernel's socket table (sock_diag(7)); where a system offers no
// such question the owner stays unknown.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace runwire {

// The user that owns the peer's socket; nothing where it cannot be learnt, also because the peer has already
// closed it. REQUIRES: `fd` is a connected stream socket.
std::optional<uid_t> peer_owner(int fd);

// "uid 1000", or an address and its port; for people.
std::string peer_name(int fd);

// Whether the peer has closed its socket for good, and not just said that it will send no more: nobody is left
// to read a reply. False where it cannot be told.
bool peer_is_gone(int fd);

}  // namespace runwire
