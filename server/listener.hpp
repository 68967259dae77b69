// A listening socket: TCP on loopback, or a Unix socket.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <optional>

#include "proto/address.hpp"
#include "server/connection.hpp"
#include "server/descriptor.hpp"
#include "server/socket_file.hpp"
#include "server/uv_handle.hpp"

namespace runwire {

// SYNs and connects that may wait until the loop comes round; the kernel lowers it to net.core.somaxconn.
inline constexpr int kBacklog = 4096;

class Listener {
 public:
  using OnConnection = std::function<void(Stream)>;

  // Listens at `address`; `on_connection` is given every stream that was accepted.
  // ERRORS: an address that is not loopback, or names none; a port or path that is taken. The message says which
  // and what to do.
  static Result<std::unique_ptr<Listener>> open(uv_loop_t* loop, const Address& address,
                                                OnConnection on_connection);

  // The same for a socket that listens at `address` already and was handed to this process; it is taken ownership of.
  static Result<std::unique_ptr<Listener>> take_over(uv_loop_t* loop, const Address& address, int descriptor,
                                                     OnConnection on_connection);

  // Who comes waits in the kernel from here on, until resume() or for the program that goes on in this one's place.
  // ERRORS: there is no descriptor left for that; it listens as before.
  Status pause();
  Status resume();                                  // where it is paused
  int descriptor() const { return paused_.get(); }  // REQUIRES: it is paused

  const Address& address() const { return address_; }  // with the port that was found where 0 was asked for

 private:
  Listener(uv_loop_t* loop, OnConnection on_connection);
  Status listen_tcp(const Address& address);
  Status listen_unix(const std::string& path);
  Status listen_at(int descriptor);
  void on_ready(int status);
  Stream accept();

  uv_loop_t* loop_;
  OnConnection on_connection_;
  Address address_;
  std::optional<SocketFile> file_;
  Stream stream_;
  Descriptor paused_;
};

}  // namespace runwire
