// A server's shell in the plain protocol, as the person at the client sees it: command after command, output to the own
// stdout and stderr, an exit status each. It connects when it must, and tells on stderr what else there is to know.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "client/channel.hpp"
#include "client/encoding.hpp"
#include "client/failure_text.hpp"
#include "client/plain_exchange.hpp"
#include "client/signals.hpp"
#include "proto/address.hpp"

namespace runwire {

struct Outcome {
  int exit_status;   // the command's, 128 + n for signal n; or kOwnFailureStatus
  bool own_failure;  // no status of the command is known; the reason has been said on stderr
};

class RemoteShell {
 public:
  struct Options {
    Address address;
    bool own_server_only = false;  // see connect_to_server()
    std::string address_hint;      // to be appended to why it can't be connected to
    std::chrono::milliseconds connect_timeout{5000};
    std::string encoding;      // of the server's programs; empty: bytes pass untouched
    bool verbose = false;      // says reply headers, connections, cut output
    bool quiet = false;        // says failures only
    bool says_status = false;  // says how a command ended unless that was status 0
  };

  // ERRORS: invalid_argument (unknown encoding). It does not connect yet.
  static Result<RemoteShell> open(Options options);

  // From now on Ctrl-C ends the running command, by ending its connection. `interrupt` must outlive this.
  void obey(Signals& interrupt) { interrupt_ = &interrupt; }

  // So that a wrong HOST is told before the first command is typed. False: it is said on stderr why not.
  bool connect();

  // Runs one line and returns when its output is out. Connects first where there is no connection or the server
  // has closed it since; never sends a line twice.
  Outcome run(const std::string& line);

  // All is done: ends the connection without a reset.
  void close();

 private:
  RemoteShell(Options options, std::optional<Encoding> encoding);
  Status prepare_connection();
  Result<std::string> encode(const std::string& line);
  Result<ReplyHeader> exchange(std::string_view command);
  ReplySinks sinks();
  Status put(int fd, std::string_view bytes, std::string_view name) const;
  Status flush_encoding();
  Outcome fail(const Error& error);
  Outcome conclude(const ReplyHeader& header, std::size_t command_bytes);
  Outcome conclude_original(std::size_t command_bytes);

  Options options_;
  std::optional<Encoding> encoding_;
  std::optional<Channel> channel_;
  Signals* interrupt_ = nullptr;
  bool told_of_original_ = false;
};

}  // namespace runwire
