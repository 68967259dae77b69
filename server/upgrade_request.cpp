#include "server/upgrade_request.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <variant>

#include "proto/address.hpp"
#include "proto/client_message.hpp"
#include "proto/frame.hpp"
#include "proto/frame_reader.hpp"
#include "proto/server_message.hpp"
#include "server/descriptor.hpp"
#include "server/socket_file.hpp"
#include "server/successor.hpp"

namespace runwire {
namespace {

constexpr int kLookMs = 50;
constexpr int kLongestMs = 24 * 3600 * 1000;  // what running commands may be given

Error failed(const std::string& what, int error) {
  return {Errc::io, what + ": " + std::strerror(error) + "; name its socket with --listen unix:/path", error};
}

Result<std::string> socket_of(const Options& options) {
  for (const Address& address : options.listen)
    if (!address.is_unix())
      return Error{Errc::invalid_argument,
                   "--upgrade finds the daemon by its Unix socket; say --listen unix:/path instead of " +
                       to_string(address)};
  if (!options.listen.empty()) return options.listen.front().unix_path;
  const char* runtime_dir = std::getenv("XDG_RUNTIME_DIR");
  return default_socket_path(runtime_dir == nullptr ? "" : runtime_dir, geteuid());
}

Result<Descriptor> connect_to(const std::string& path) {
  const auto address = socket_address(path);
  RUNWIRE_TRY(address);
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0)
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

Error no_runwired(const std::string& path) {
  return {Errc::protocol,
          "what listens at " + path + " is no runwired; name its socket with --listen unix:/path"};
}

// The first header that comes within `ms`; empty where the other side closes before.
Result<std::string> first_header(int socket, int ms) {
  FrameReader reader;
  std::array<char, 4096> bytes{};
  for (;;) {
    pollfd state{socket, POLLIN, 0};
    if (poll(&state, 1, ms) != 1) return Error{Errc::timeout, "it says nothing"};
    const ssize_t count = read(socket, bytes.data(), bytes.size());
    if (count <= 0) return std::string();
    reader.feed({bytes.data(), static_cast<std::size_t>(count)});
    const Piece piece = reader.next();
    if (piece.kind == Piece::header) return std::string(piece.bytes);
    if (piece.kind == Piece::broken) return std::string("{}");
  }
}

// What the daemon at the socket says of itself. Absent: it let us go, for it is between two programs. Who comes while
// it gathers waits in the kernel for the next one: so long it may take.
Result<std::optional<ServerHello>> ask(const std::string& path, int socket, int ms) {
  const std::string words = std::string(kPreface) + frame_head(to_json(ClientHello{}));
  if (send(socket, words.data(), words.size(), 0) != static_cast<ssize_t>(words.size()))
    return std::optional<ServerHello>();
  const auto header = first_header(socket, ms);
  if (!header) return no_runwired(path);
  if (header->empty()) return std::optional<ServerHello>();
  auto message = parse_server_message(*header);
  if (!message) return no_runwired(path);
  const auto* hello = std::get_if<ServerHello>(&*message);
  return hello == nullptr ? std::nullopt : std::optional(*hello);
}

Status await_outcome(const std::string& path, const ServerHello& before, pid_t daemon) {
  for (;;) {
    auto socket = connect_to(path);
    RUNWIRE_TRY(socket);
    const auto now = ask(path, socket->get(), kLongestMs);
    RUNWIRE_TRY(now);
    if (*now && (*now)->boot != before.boot)
      return Error{Errc::closed,
                   "process " + std::to_string(daemon) + " is gone, and another runwired is there"};
    if (*now && (*now)->upgrades > before.upgrades) return Ok{};
    if (*now && (*now)->failed_upgrades > before.failed_upgrades)
      return Error{Errc::refused,
                   "process " + std::to_string(daemon) + " goes on as before; its log says why"};
    poll(nullptr, 0, kLookMs);
  }
}

}  // namespace

Status ask_for_upgrade(const Options& options) {
  const auto path = socket_of(options);
  RUNWIRE_TRY(path);
  auto socket = connect_to(*path);
  RUNWIRE_TRY(socket);
  const pid_t daemon = process_at(socket->get());
  if (daemon <= 1)
    return Error{Errc::io,
                 "this system does not say whose socket " + *path + " is; send SIGUSR2 to runwired"};
  const auto before =
      ask(*path, socket->get(), static_cast<int>(kRehearsalMs));  // a stranger would die of the signal
  RUNWIRE_TRY(before);
  if (!*before) return no_runwired(*path);
  if (kill(daemon, SIGUSR2) != 0) return failed("process " + std::to_string(daemon), errno);
  RUNWIRE_TRY(await_outcome(*path, **before, daemon));
  std::printf("runwired: process %d has been upgraded\n", static_cast<int>(daemon));
  return Ok{};
}

}  // namespace runwire
