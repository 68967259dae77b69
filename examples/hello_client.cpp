// Says `hi` to a server and prints what it answers: hello_client 127.0.0.1:PORT, with hello_server at the other end.
// (With a runwired there, `hi` would be a command, and the answer what the shell says to it.)
#include <cstdio>
#include <string>

#include "client/plain_exchange.hpp"
#include "proto/address.hpp"
#include "proto/limits.hpp"

using namespace runwire;

namespace {

int fail(const Error& error) {
  std::fprintf(stderr, "hello_client: %s\n", error.message.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return fail({Errc::invalid_argument, "name the server, as hello_server prints it"});
  const auto address = parse_address(argv[1], kDefaultPort);
  if (!address) return fail(address.error());
  auto channel = Channel::connect(*address, std::chrono::seconds(5));
  if (!channel) return fail(channel.error());

  // The answer comes in pieces of any size, and the library knows from the frame where it ends. A sink is called
  // with each piece; here they are collected.
  std::string answer;
  const auto collect = [&answer](std::string_view bytes) -> Status {
    answer += bytes;
    return Ok{};
  };
  const auto header = run_plain(*channel, "hi", {nullptr, collect, collect});
  if (!header) return fail(header.error());
  std::printf("%s\n", answer.c_str());
}
