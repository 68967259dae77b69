#include "server/listener.hpp"

#include <netinet/in.h>

#include <cassert>
#include <utility>

#include "server/log.hpp"

namespace runwire {
namespace {

constexpr const char* kOnlyLoopback =
    "runwired has no authentication over a network yet, so it listens on loopback only; use 127.0.0.1, [::1] "
    "or a "
    "Unix socket, and reach it from elsewhere through `ssh -L`";

bool is_loopback(const sockaddr_storage& address) {
  if (address.ss_family == AF_INET6)
    return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
  return ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

// Numeric, because a name can come to mean another address.
Result<sockaddr_storage> loopback_address(const Address& address) {
  const std::string host = address.host == "localhost" ? "127.0.0.1" : address.host;
  sockaddr_storage found{};
  const bool numeric = uv_ip4_addr(host.c_str(), address.port, reinterpret_cast<sockaddr_in*>(&found)) == 0 ||
                       uv_ip6_addr(host.c_str(), address.port, reinterpret_cast<sockaddr_in6*>(&found)) == 0;
  if (!numeric || !is_loopback(found))
    return Error{Errc::invalid_argument, "--listen " + to_string(address) + " refused: " + kOnlyLoopback};
  return found;
}

std::uint16_t bound_port(const uv_tcp_t* tcp) {
  sockaddr_storage name{};
  int size = sizeof name;
  uv_tcp_getsockname(tcp, reinterpret_cast<sockaddr*>(&name), &size);
  return ntohs(reinterpret_cast<const sockaddr_in&>(name).sin_port);  // at the same place in sockaddr_in6
}

Error cannot_listen(const Address& address, int error) {
  std::string next = error == UV_EADDRINUSE
                         ? "; is another runwired running? --listen 127.0.0.1:0 takes any free port"
                         : "; name another address with --listen";
  return {Errc::io, "cannot listen on " + to_string(address) + ": " + uv_strerror(error) + next};
}

}  // namespace

Listener::Listener(uv_loop_t* loop, OnConnection on_connection)
    : loop_(loop), on_connection_(std::move(on_connection)) {}

Result<std::unique_ptr<Listener>> Listener::open(uv_loop_t* loop, const Address& address,
                                                 OnConnection on_connection) {
  std::unique_ptr<Listener> listener(new Listener(loop, std::move(on_connection)));
  listener->address_ = address;
  RUNWIRE_TRY(address.is_unix() ? listener->listen_unix(address.unix_path) : listener->listen_tcp(address));
  return listener;
}

Status Listener::listen_tcp(const Address& address) {
  auto at = loopback_address(address);
  RUNWIRE_TRY(at);
  auto tcp = make_handle<uv_tcp_t>(this, [this](uv_tcp_t* handle) { return uv_tcp_init(loop_, handle); });
  int error = uv_tcp_bind(tcp.get(), reinterpret_cast<const sockaddr*>(&*at), 0);
  if (error == 0) error = uv_listen(as_stream(tcp.get()), kBacklog, deliver<&Listener::on_ready>);
  if (error != 0) return cannot_listen(address, error);
  address_.port = bound_port(tcp.get());
  stream_ = std::move(tcp);
  return Ok{};
}

Status Listener::listen_unix(const std::string& path) {
  auto file = SocketFile::listen(path, kBacklog);
  RUNWIRE_TRY(file);
  file_.emplace(std::move(*file));
  return listen_at(file_->release_descriptor());
}

// It may listen already.
Status Listener::listen_at(int descriptor) {
  int error = 0;
  if (address_.is_unix()) {
    auto pipe =
        make_handle<uv_pipe_t>(this, [this](uv_pipe_t* handle) { return uv_pipe_init(loop_, handle, 0); });
    error = uv_pipe_open(pipe.get(), descriptor);
    stream_ = std::move(pipe);
  } else {
    auto tcp = make_handle<uv_tcp_t>(this, [this](uv_tcp_t* handle) { return uv_tcp_init(loop_, handle); });
    error = uv_tcp_open(tcp.get(), descriptor);
    stream_ = std::move(tcp);
  }
  if (error == 0) error = uv_listen(raw(stream_), kBacklog, deliver<&Listener::on_ready>);
  if (error != 0) return cannot_listen(address_, error);
  return Ok{};
}

Result<std::unique_ptr<Listener>> Listener::take_over(uv_loop_t* loop, const Address& address, int descriptor,
                                                      OnConnection on_connection) {
  std::unique_ptr<Listener> listener(new Listener(loop, std::move(on_connection)));
  listener->address_ = address;
  if (address.is_unix()) listener->file_.emplace(SocketFile::take_over(address.unix_path));
  RUNWIRE_TRY(listener->listen_at(descriptor));
  return listener;
}

Status Listener::pause() {
  auto copy = copy_of(descriptor_of(stream_), to_string(address_));
  RUNWIRE_TRY(copy);
  paused_ = std::move(*copy);
  stream_ = Stream();
  return Ok{};
}

Status Listener::resume() {
  if (paused_.get() < 0) return Ok{};
  return listen_at(paused_.release());
}

void Listener::on_ready(int status) {
  if (status == 0) return on_connection_(accept());
  log::warn("accept-failed").add("address", to_string(address_)).add("errno", uv_err_name(status));
}

Stream Listener::accept() {
  [[maybe_unused]] int error = 0;  // none: on_ready is called when there is one to accept
  if (address_.is_unix()) {
    auto pipe =
        make_handle<uv_pipe_t>(nullptr, [this](uv_pipe_t* handle) { return uv_pipe_init(loop_, handle, 0); });
    error = uv_accept(raw(stream_), as_stream(pipe.get()));
    assert(error == 0);
    return pipe;
  }
  auto tcp = make_handle<uv_tcp_t>(nullptr, [this](uv_tcp_t* handle) { return uv_tcp_init(loop_, handle); });
  error = uv_accept(raw(stream_), as_stream(tcp.get()));
  assert(error == 0);
  uv_tcp_nodelay(tcp.get(), 1);
  uv_tcp_keepalive(tcp.get(), 1, 15);
  return tcp;
}

}  // namespace runwire
