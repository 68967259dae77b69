#include "client/ssh_options.hpp"

#include <fnmatch.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "client/timespan.hpp"

namespace runwire {
namespace {

constexpr std::string_view kFlags = "1246AaCfGgKkMNnqsTtVvXxYy";
constexpr std::string_view kLettersWithAValue = "BbcDEeFIiJLlmOopPQRSWw";
constexpr std::string_view kBlanks = " \t\r\n\f";

Error wrong(std::string why) {
  return {Errc::invalid_argument,
          std::move(why) + "; runwire-ssh takes the options of ssh, docs/ssh.md tells which"};
}

// Why a letter that cannot be ignored is refused; empty: it can.
std::string_view refusal_of(char letter) {
  switch (letter) {
    case 'f':
      return "-f: there is no background here that would outlive us; let the shell do it, with &";
    case 'N':
      return "-N: it is for forwarding, which is not done here; leave it out and name a command";
    case 'W':
      return "-W: forwarding is not done here; run a program there that connects, as `nc HOST PORT` does";
    case 'O':
      return "-O: there is no master connection to be spoken to, every command has its own; leave it out";
    case 'Q':
      return "-Q: there are no algorithms here to be listed; leave it out";
    default:
      return "";
  }
}

// What a letter that is ignored would have done; empty: nothing that would be missed.
std::string_view note_on(char letter) {
  switch (letter) {
    case 'A':
      return "-A is ignored: an agent is not forwarded";
    case 'X':
    case 'Y':
      return "X11 is not forwarded";
    case 'D':
    case 'L':
    case 'R':
    case 'w':
      return "-D, -L, -R and -w are ignored: forwarding is not done here";
    case 'J':
      return "-J is ignored: the connection goes straight to HOST";
    default:
      return "";
  }
}

std::string_view trimmed(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

// `Key=Value`, `Key Value`, `key = value`.
std::pair<std::string, std::string_view> split_setting(std::string_view text) {
  text = trimmed(text);
  const auto end = std::min(text.find_first_of(" \t\r\n\f="), text.size());
  std::string_view value = trimmed(text.substr(end));
  if (value.starts_with('=')) value = trimmed(value.substr(1));
  return {lower(text.substr(0, end)), value};
}

template <class T> void keep_first(std::optional<T>& place, T value) {
  if (!place) place = std::move(value);
}

class SshWords {
 public:
  explicit SshWords(std::span<const std::string> words) : words_(words) {}

  Result<SshOptions> read() {
    auto ended = read_options();
    RUNWIRE_TRY(ended);
    if (at_ < words_.size()) {
      RUNWIRE_TRY(read_host(words_[at_++]));
      if (!*ended) ended = read_options();
      RUNWIRE_TRY(ended);
    }
    for (std::size_t i = at_; i < words_.size(); ++i) options_.command += (i > at_ ? " " : "") + words_[i];
    return std::move(options_);
  }

 private:
  // Result: it was a `--` that ended them.
  Result<bool> read_options() {
    while (at_ < words_.size() && words_[at_].size() > 1 && words_[at_][0] == '-') {
      const std::string& word = words_[at_++];
      if (word == "--") return true;
      if (word.starts_with("--")) return wrong("there is no option '" + word + "'");
      RUNWIRE_TRY(read_letters(std::string_view(word).substr(1)));
    }
    return false;
  }

  Status read_letters(std::string_view letters) {
    for (; !letters.empty(); letters.remove_prefix(1)) {
      const char letter = letters[0];
      if (!refusal_of(letter).empty()) return Error{Errc::invalid_argument, std::string(refusal_of(letter))};
      if (!note_on(letter).empty()) note(note_on(letter));
      if (kLettersWithAValue.find(letter) != kLettersWithAValue.npos)
        return read_value(letter, letters.substr(1));
      if (kFlags.find(letter) == kFlags.npos)
        return wrong(std::string("there is no option '-") + letter + "'");
      take_flag(letter);
    }
    return Ok{};
  }

  Status read_value(char letter, std::string_view joined) {
    if (!joined.empty()) return take_value(letter, joined);
    if (at_ == words_.size()) return wrong(std::string("-") + letter + " needs a value");
    return take_value(letter, words_[at_++]);
  }

  void take_flag(char letter) {
    if (letter == 'G') options_.prints_settings = true;
    if (letter == 'V') options_.prints_version = true;
    if (letter == 'n') options_.null_stdin = true;
    if (letter == 's') options_.is_subsystem = true;
    if (letter == 't') take_terminal();
    if (letter == 'T') options_.terminal = TerminalWish::never;
    if (letter == 'q') options_.telling = SshOptions::Telling::failures;
    if (letter == 'v') options_.telling = SshOptions::Telling::all;
  }

  // The second one means it.
  void take_terminal() {
    const bool again = options_.terminal.value_or(TerminalWish::never) != TerminalWish::never;
    options_.terminal = again ? TerminalWish::always : TerminalWish::as_here;
  }

  Status take_value(char letter, std::string_view value) {
    if (letter == 'l') return take_user(value);
    if (letter == 'p') return take_port(value);
    if (letter == 'o') return take_setting(value);
    return Ok{};
  }

  void note(std::string_view sentence) {
    if (std::find(options_.notes.begin(), options_.notes.end(), sentence) == options_.notes.end())
      options_.notes.emplace_back(sentence);
  }

  // [ssh://][USER@]HOST. A user may hold an '@'; a path, in which one could stand too, is no user.
  Status read_host(std::string_view word) {
    const bool is_uri = word.starts_with("ssh://");
    if (is_uri) word.remove_prefix(6);
    if (is_uri && word.ends_with('/')) word.remove_suffix(1);
    const auto at = word.substr(0, word.find('/')).rfind('@');
    if (at != word.npos) RUNWIRE_TRY(take_user(word.substr(0, at)));
    options_.host = at == word.npos ? word : word.substr(at + 1);
    if (options_.host.empty()) return wrong("the host is missing in '" + std::string(word) + "'");
    return options_.host[0] == '-' ? wrong("address '" + options_.host + "': a host cannot start with '-'")
                                   : Status(Ok{});
  }

  Status take_user(std::string_view user) {
    if (user.empty() || user[0] == '-')
      return wrong("user '" + std::string(user) + "': a user has a name, which does not begin with '-'");
    keep_first(options_.user, std::string(user));
    return Ok{};
  }

  Status take_port(std::string_view digits) {
    std::uint16_t port = 0;
    const char* last = digits.data() + digits.size();
    const auto [end, error] = std::from_chars(digits.data(), last, port);
    if (error != std::errc() || end != last || port == 0)
      return wrong("port '" + std::string(digits) + "' is none: write a number from 1 to 65535");
    keep_first(options_.port, port);
    return Ok{};
  }

  Status take_setting(std::string_view text) {
    const auto [key, rest] = split_setting(text);
    if (key == "remotecommand") {  // all that follows is the command, quotes and all
      keep_first(options_.remote_command, rest == "none" ? std::string() : std::string(rest));
      return Ok{};
    }
    using Take = Status (SshWords::*)(const std::vector<std::string>& values);
    const std::pair<std::string_view, Take> settings[] = {
        {"port", &SshWords::take_port_setting},        {"user", &SshWords::take_user_setting},
        {"hostname", &SshWords::take_host_name},       {"connecttimeout", &SshWords::take_connect_timeout},
        {"sendenv", &SshWords::take_send_env},         {"setenv", &SshWords::take_set_env},
        {"loglevel", &SshWords::take_log_level},       {"stdinnull", &SshWords::take_stdin_null},
        {"sessiontype", &SshWords::take_session_type}, {"forkafterauthentication", &SshWords::take_fork},
        {"requesttty", &SshWords::take_request_tty},
    };
    for (const auto& [name, take] : settings)
      if (name == key) {
        const auto values = split_ssh_words(rest);
        RUNWIRE_TRY(values);
        if (values->empty()) return wrong("-o " + std::string(trimmed(text)) + ": the value is missing");
        return (this->*take)(*values);
      }
    return Ok{};
  }

  Status take_port_setting(const std::vector<std::string>& values) { return take_port(values[0]); }
  Status take_user_setting(const std::vector<std::string>& values) { return take_user(values[0]); }

  Status take_host_name(const std::vector<std::string>& values) {
    keep_first(options_.host_name, values[0]);
    return Ok{};
  }

  Status take_connect_timeout(const std::vector<std::string>& values) {
    const auto span = parse_timespan(values[0] == "none" ? "0" : values[0]);
    if (!span) return wrong("ConnectTimeout: " + span.error().message);
    keep_first(options_.connect_timeout, *span);
    return Ok{};
  }

  // These add up; `-PATTERN` takes away what it fits.
  Status take_send_env(const std::vector<std::string>& values) {
    for (const std::string& value : values)
      if (value.starts_with('-'))
        std::erase_if(options_.send_env, [&](const std::string& each) {
          return ::fnmatch(value.c_str() + 1, each.c_str(), 0) == 0;
        });
      else
        options_.send_env.push_back(value);
    return Ok{};
  }

  Status take_set_env(const std::vector<std::string>& values) {
    for (const std::string& value : values)
      if (value.find('=') == value.npos || value.starts_with('='))
        return wrong("SetEnv: '" + value + "' is no variable, write NAME=VALUE");
    keep_first(options_.set_env, values);
    return Ok{};
  }

  Status take_log_level(const std::vector<std::string>& values) {
    using Telling = SshOptions::Telling;
    const std::string level = lower(values[0]);
    if (level == "quiet" || level == "fatal" || level == "error")
      keep_first(options_.telling, Telling::failures);
    else
      keep_first(options_.telling,
                 level.starts_with("debug") || level == "verbose" ? Telling::all : Telling::most);
    return Ok{};
  }

  Status take_stdin_null(const std::vector<std::string>& values) {
    keep_first(options_.null_stdin, lower(values[0]) == "yes");
    return Ok{};
  }

  Status take_session_type(const std::vector<std::string>& values) {
    const std::string type = lower(values[0]);
    if (type == "none") return Error{Errc::invalid_argument, std::string(refusal_of('N'))};
    keep_first(options_.is_subsystem, type == "subsystem");
    return Ok{};
  }

  Status take_fork(const std::vector<std::string>& values) {
    if (lower(values[0]) == "yes") return Error{Errc::invalid_argument, std::string(refusal_of('f'))};
    return Ok{};
  }

  Status take_request_tty(const std::vector<std::string>& values) {
    const std::string choice = lower(values[0]);
    if (choice == "no") keep_first(options_.terminal, TerminalWish::never);
    if (choice == "yes") keep_first(options_.terminal, TerminalWish::as_here);
    if (choice == "force") keep_first(options_.terminal, TerminalWish::always);
    return Ok{};
  }

  std::span<const std::string> words_;
  std::size_t at_ = 0;  // of the next word
  SshOptions options_;
};

}  // namespace

Result<SshOptions> parse_ssh_options(std::span<const std::string> words) { return SshWords(words).read(); }

Result<std::vector<std::string>> split_ssh_words(std::string_view text) {
  std::vector<std::string> words;
  char quote = 0;
  bool in_word = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    const bool is_blank = quote == 0 && kBlanks.find(c) != kBlanks.npos;
    if (!is_blank && !std::exchange(in_word, true)) words.emplace_back();
    if (is_blank)
      in_word = false;
    else if (c == '\\' && (next == '"' || next == '\'' || next == '\\' || (quote == 0 && next == ' ')))
      words.back() += text[++i];
    else if (quote == 0 && (c == '"' || c == '\''))
      quote = c;
    else if (quote != 0 && c == quote)
      quote = 0;
    else
      words.back() += c;
  }
  if (quote != 0) return wrong("a quote without its end in: " + std::string(text));
  return words;
}

}  // namespace runwire
