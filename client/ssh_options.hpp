// ssh's command line, as the programs that call ssh write it: ssh(1), ssh_config(5). Words in, values out.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "client/command_request.hpp"
#include "proto/result.hpp"

namespace runwire {

struct SshOptions {
  std::string host;                      // without the user; empty: there was none
  std::string command;                   // its words with single blanks between; empty: a shell
  std::optional<std::string> user;       // -l, User, USER@
  std::optional<std::uint16_t> port;     // -p, Port, of ssh://HOST:PORT
  std::optional<std::string> host_name;  // HostName: where HOST really is
  std::optional<std::chrono::milliseconds> connect_timeout;  // ConnectTimeout; 0: none
  std::vector<std::string> send_env;                         // SendEnv: patterns of names
  std::optional<std::vector<std::string>> set_env;           // SetEnv: NAME=VALUE
  std::optional<std::string> remote_command;                 // RemoteCommand
  std::optional<bool> null_stdin;                            // -n, StdinNull
  std::optional<TerminalWish> terminal;                      // -t, -tt, -T, RequestTTY; absent: as ssh has it
  std::optional<bool> is_subsystem;                          // -s, SessionType: `command` is its name
  enum class Telling { failures, all, most };
  std::optional<Telling> telling;  // -q, -v, LogLevel
  bool prints_settings = false;    // -G
  bool prints_version = false;     // -V
  std::vector<std::string> notes;  // what was asked for and is not done, each in a sentence
};

// Options may also follow the host, up to the first word that is none. Of a setting that is given twice the first
// value holds. Whatever has no meaning here is taken and ignored.
// ERRORS: invalid_argument: an unknown letter, a missing or impossible value, and what would be something else than
// was asked for if it were ignored (-N, -W, -f, -O, -Q).
Result<SshOptions> parse_ssh_options(std::span<const std::string> words);

// The words of a setting's value: blanks part them, quotes hold them together and are taken off.
// ERRORS: invalid_argument (quotes without an end).
Result<std::vector<std::string>> split_ssh_words(std::string_view text);

}  // namespace runwire
