#include "server/upgrade_request.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "proto/address.hpp"
#include "proto/client_message.hpp"
#include "proto/frame.hpp"
#include "server/descriptor.hpp"
#include "server/successor.hpp"

namespace runwire {
namespace {

constexpr int kPatienceMs = static_cast<int>(kRehearsalMs) + 10000;  // beyond what running commands are given

Error failed(const std::string& what, int error) {
  return {Errc::io, what + ": " + std::strerror(error) + "; name its socket with --listen unix:/path", error};
}

std::string socket_of(const Options& options) {
  const auto named = std::find_if(options.listen.begin(), options.listen.end(),
                                  [](const Address& address) { return address.is_unix(); });
  if (named != options.listen.end()) return named->unix_path;
  const char* runtime_dir = std::getenv("XDG_RUNTIME_DIR");
  return default_socket_path(runtime_dir == nullptr ? "" : runtime_dir, geteuid());
}

Result<Descriptor> connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return failed("socket " + path, ENAMETOOLONG);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return failed("no runwired answers at " + path, errno);
  return socket;
}

// Who listens there; 0 where the system does not tell.
pid_t process_at(int socket) {
#ifdef SO_PEERCRED
  ucred peer{};
  socklen_t size = sizeof peer;
  return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
#elif defined(LOCAL_PEERPID)
  pid_t peer = 0;
  socklen_t size = sizeof peer;
  return getsockopt(socket, SOL_LOCAL, LOCAL_PEERPID, &peer, &size) == 0 ? peer : 0;
#else
  return socket < 0 ? -1 : 0;
#endif
}

// Says something, or has closed it.
bool speaks_within(int socket, int ms) {
  pollfd state{socket, POLLIN, 0};
  return poll(&state, 1, ms) == 1;
}

// Who comes between two programs waits in the kernel: the next one is there when it answers.
Status await_answer(const std::string& path) {
  auto socket = connect_to(path);
  RUNWIRE_TRY(socket);
  const std::string hello = std::string(kPreface) + frame_head(to_json(ClientHello{}));
  if (send(socket->get(), hello.data(), hello.size(), 0) != static_cast<ssize_t>(hello.size()))
    return failed("send", errno);
  if (!speaks_within(socket->get(), kPatienceMs))
    return Error{Errc::timeout, "nobody answers at " + path + " any more; see runwired's log"};
  return Ok{};
}

}  // namespace

Status ask_for_upgrade(const Options& options) {
  const std::string path = socket_of(options);
  auto socket = connect_to(path);
  RUNWIRE_TRY(socket);
  const pid_t daemon = process_at(socket->get());
  if (daemon <= 1)
    return Error{Errc::io, "this system does not say whose socket " + path + " is; send SIGUSR2 to runwired"};
  if (kill(daemon, SIGUSR2) != 0) return failed("process " + std::to_string(daemon), errno);
  if (!speaks_within(socket->get(), kPatienceMs + static_cast<int>(options.drain_timeout_ms)))
    return Error{Errc::timeout, "process " + std::to_string(daemon) + " goes on as before; its log says why"};
  RUNWIRE_TRY(await_answer(path));
  std::printf("runwired: process %d has been upgraded\n", static_cast<int>(daemon));
  return Ok{};
}

}  // namespace runwire
