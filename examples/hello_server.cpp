// A server that answers `hello` to whatever it is sent, in the protocol that runwired speaks:
//
//   client:  hi
//   server:  20 00 00 00  {"filename":"hello.txt","len":5}  hello
//
// Start it, and in another terminal run hello_client with the address that it prints. Every other client of the
// protocol works, too: `runwire 127.0.0.1:PORT hi`.
#include <cstdio>
#include <string>

#include "examples/loopback.hpp"
#include "proto/frame.hpp"
#include "proto/json_writer.hpp"

using namespace runwire;

namespace {

// The frame: the length of the header, the header, and as many bytes of payload as the header says. The client
// knows of every byte what it is before it comes.
std::string framed(std::string_view payload) {
  JsonWriter header;
  header.text("filename", "hello.txt").number("len", static_cast<std::int64_t>(payload.size()));
  return frame_head(std::move(header).finish()) + std::string(payload);
}

void talk_to(int connection) {
  char message[1024];  // recv gives what has arrived: half a message, one, or several. See sticky_packets.cpp
  while (::recv(connection, message, sizeof message, 0) > 0) {
    const std::string reply = framed("hello");
    example::must(::send(connection, reply.data(), reply.size(), 0) == static_cast<ssize_t>(reply.size()),
                  "send");
  }
}

}  // namespace

int main() {
  const example::Listener listener = example::listen_on_loopback();
  std::printf("hello_server listens; now run: hello_client 127.0.0.1:%d\n", listener.port);
  std::fflush(stdout);
  for (;;) {
    // One client after the other: the next one waits until this one has left. That it can wait long is why
    // runwired has a loop instead.
    const UniqueFd connection = example::accept_one(listener);
    talk_to(connection.get());
  }
}
