// A server's shell as the person at the client sees it: command after command, output to the own stdout and
// stderr, an exit status each. It connects when it must, and tells on stderr what else there is to know.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "client/channel.hpp"
#include "client/charset.hpp"
#include "client/interrupt.hpp"
#include "client/plain_exchange.hpp"
#include "proto/address.hpp"

namespace runwire {

// What runwire exits with when it is not a command's status: no connection, no whole reply, an error frame, wrong
// usage, output that could not be written. As ssh has it.
inline constexpr int kOwnFailureStatus = 255;

struct Outcome {
  int exit_status;   // the command's, 128 + n for signal n; or kOwnFailureStatus
  bool own_failure;  // no status of the command is known; the reason has been said on stderr
};

class RemoteShell {
 public:
  struct Options {
    Address address;
    bool own_server_only =
        false;  // talk only to a server of this user or of root: a default path in /tmp could
                // have been taken by anybody, who would then see the commands
    std::chrono::milliseconds connect_timeout{5000};
    std::string encoding;      // of the server's programs; empty: bytes pass untouched
    bool verbose = false;      // says reply headers, connections, cut output
    bool quiet = false;        // says failures only
    bool says_status = false;  // says how a command ended unless that was status 0
  };

  // ERRORS: invalid_argument (unknown encoding). It does not connect yet.
  static Result<RemoteShell> open(Options options);

  // From now on Ctrl-C ends the running command, by ending its connection. `interrupt` must outlive this.
  void obey(Interrupt& interrupt) { interrupt_ = &interrupt; }

  // So that a wrong HOST is told before the first command is typed. False: it is said on stderr why not.
  bool connect();

  // Runs one line and returns when its output is out. Connects first where there is no connection or the server
  // has closed it since; never sends a line twice.
  Outcome run(const std::string& line);

  // All is done: ends the connection without a reset.
  void close();

 private:
  struct Converters {
    Charset command, out, err;
  };

  RemoteShell(Options options, std::optional<Converters> converters);
  Status prepare_connection();
  Status check_owner(const Channel& channel) const;
  Result<std::string> encode(const std::string& line);
  Result<ReplyHeader> exchange(std::string_view command);
  ReplySinks sinks();
  Status put(int fd, std::string_view bytes, std::string_view name) const;
  Status flush_converters();
  Outcome fail(const Error& error);
  Outcome conclude(const ReplyHeader& header, std::size_t command_bytes);
  Outcome conclude_original(std::size_t command_bytes);
  void tell_how_it_ended(const ReplyHeader& header) const;

  Options options_;
  std::optional<Converters> converters_;
  std::optional<Channel> channel_;
  Interrupt* interrupt_ = nullptr;
  bool told_of_original_ = false;
};

}  // namespace runwire
