#ifdef __linux__

#include "server/socket_table.hpp"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace runwire {
namespace {

struct Query {
  nlmsghdr head;
  inet_diag_req_v2 body;
};

bool set_ends(inet_diag_sockid& id, const sockaddr_storage& local, const sockaddr_storage& remote) {
  if (local.ss_family != remote.ss_family) return false;
  if (local.ss_family == AF_INET) {
    const auto& from = reinterpret_cast<const sockaddr_in&>(local);
    const auto& to = reinterpret_cast<const sockaddr_in&>(remote);
    id.idiag_sport = from.sin_port;
    id.idiag_dport = to.sin_port;
    std::memcpy(id.idiag_src, &from.sin_addr, sizeof from.sin_addr);
    std::memcpy(id.idiag_dst, &to.sin_addr, sizeof to.sin_addr);
    return true;
  }
  if (local.ss_family != AF_INET6) return false;
  const auto& from = reinterpret_cast<const sockaddr_in6&>(local);
  const auto& to = reinterpret_cast<const sockaddr_in6&>(remote);
  id.idiag_sport = from.sin6_port;
  id.idiag_dport = to.sin6_port;
  std::memcpy(id.idiag_src, &from.sin6_addr, sizeof from.sin6_addr);
  std::memcpy(id.idiag_dst, &to.sin6_addr, sizeof to.sin6_addr);
  return true;
}

std::optional<SocketOwner> read_answer(int netlink) {
  alignas(nlmsghdr) char answer[2048];
  // The kernel answers within send(), so there is nothing to wait for.
  const ssize_t size = recv(netlink, answer, sizeof answer, MSG_DONTWAIT);
  if (size < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(inet_diag_msg)))) return std::nullopt;
  const auto* head = reinterpret_cast<const nlmsghdr*>(answer);
  if (head->nlmsg_type != SOCK_DIAG_BY_FAMILY) return std::nullopt;
  inet_diag_msg found{};
  std::memcpy(&found, NLMSG_DATA(head), sizeof found);
  // A socket whose process has closed it has no inode, and then the kernel reports user 0, whoever it was.
  return SocketOwner{found.idiag_uid, found.idiag_inode == 0};
}

}  // namespace

std::optional<SocketOwner> find_tcp_socket(const sockaddr_storage& local, const sockaddr_storage& remote) {
  Query query{};
  query.head.nlmsg_len = sizeof query;
  query.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  query.head.nlmsg_flags = NLM_F_REQUEST;
  query.body.sdiag_family = static_cast<__u8>(local.ss_family);
  query.body.sdiag_protocol = IPPROTO_TCP;
  query.body.idiag_states = ~0U;
  query.body.id.idiag_cookie[0] = query.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  if (!set_ends(query.body.id, local, remote)) return std::nullopt;

  const int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  if (netlink < 0) return std::nullopt;
  std::optional<SocketOwner> owner;
  if (send(netlink, &query, sizeof query, 0) == static_cast<ssize_t>(sizeof query))
    owner = read_answer(netlink);
  close(netlink);
  return owner;
}

}  // namespace runwire

#endif
