// The client's command lines, runwire's and runwire-ssh's, and what they lean on: hosts.toml, HOST, ssh's words.
//
// Input: a byte that says whose command line it is and what is around it (Role), then words that end in NUL. With
// `has_names` the first one is the text of a hosts.toml.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "client/cli.hpp"
#include "client/hosts.hpp"
#include "client/ssh_cli.hpp"
#include "client/ssh_options.hpp"
#include "tests/fuzz/require.hpp"

using namespace runwire;
using runwire::fuzz::require;

namespace {

enum Role : unsigned { is_ssh = 1, has_names = 2, has_default = 4 };

std::vector<std::string> words_of(std::string_view bytes) {
  std::vector<std::string> words;
  while (!bytes.empty()) {
    const std::size_t end = std::min(bytes.find('\0'), bytes.size());
    words.emplace_back(bytes.substr(0, end));
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
  }
  return words;
}

void check_error(const Error& error) {
  require(error.code == Errc::invalid_argument, "what is wrong with words is the words");
  require(!error.message.empty(), "an error says what is wrong");
}

void check_address(const Address& address) {
  require(address.is_unix() != !address.host.empty(), "an address is a path or a host");
  require(!address.host.starts_with('-'), "what looks like an option is no host");
  if (address.is_unix()) return;
  const auto again = parse_address(to_string(address), 1);
  require(again.ok() && *again == address, "an address survives being written");
}

void check_hosts(const Hosts& hosts) {
  for (const auto& [name, entry] : hosts) {
    require(can_name_a_host(name), "a name can be told from an address and an option");
    check_address(entry.address);
    require(!entry.connect_timeout || entry.connect_timeout->count() > 0, "a time to connect is some time");
    for (const std::string& variable : entry.environment)
      require(variable.find('=') != variable.npos && variable[0] != '=', "a variable has a name and a value");
  }
}

void check_request(const CommandRequest& request) {
  check_address(request.address);
  require(check_words(request).ok(), "what is to be run can be sent");
  require(request.words.line.empty() || request.words.argv.empty(), "a line or words, not both");
  require(request.connect_timeout.count() > 0, "there is a time to connect in");
  for (const std::string& variable : request.words.environment)
    require(variable.find('=') != variable.npos && variable[0] != '=', "a variable has a name");
}

bool same(const CommandRequest& a, const CommandRequest& b) {
  return a.address == b.address && a.words.line == b.words.line && a.words.argv == b.words.argv &&
         a.words.environment == b.words.environment && a.cwd == b.cwd && a.timeout_ms == b.timeout_ms;
}

void check(const Result<Invocation>& read, const Result<Invocation>& again) {
  require(read.ok() == again.ok(), "the same words mean the same");
  if (!read) return check_error(read.error());
  require(read->task == again->task && same(read->request, again->request),
          "the same words ask for the same");
  require(!read->plain || read->request.words.argv.empty(), "the original protocol gets a line");
  if (read->task == Invocation::run_line) check_request(read->request);
  if (read->task == Invocation::prompt) check_address(read->request.address);
  if (read->task == Invocation::print) require(!read->text.empty(), "what is to be printed is there");
}

void check_ssh_words(const std::vector<std::string>& words) {
  const auto options = parse_ssh_options(words);
  if (!options) return check_error(options.error());
  require(!options->host.starts_with('-'), "what looks like an option is no host");
  require(!options->user || !options->user->starts_with('-'), "what looks like an option is no user");
  for (const std::string& word : words) {
    const auto split = split_ssh_words(word);
    std::size_t bytes = 0;
    for (const std::string& part : split ? *split : std::vector<std::string>()) bytes += part.size();
    require(bytes <= word.size(), "splitting makes nothing up");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const unsigned role = data[0];
  std::vector<std::string> words = words_of({reinterpret_cast<const char*>(data) + 1, size - 1});
  std::string names;
  if ((role & has_names) != 0 && !words.empty()) {
    names = words.front();
    words.erase(words.begin());
  }
  Environment environment;
  environment.variables = {"HOME=/root", "LANG=C.UTF-8", "LC_ALL=", "EMPTY="};
  environment.hosts = [&] { return parse_hosts(names, "hosts.toml"); };
  if ((role & has_default) != 0) environment.runwire_host = "build1";
  if (const auto hosts = environment.hosts(); hosts)
    check_hosts(*hosts);
  else
    check_error(hosts.error());
  const auto parse = (role & is_ssh) != 0 ? parse_ssh_command_line : parse_command_line;
  check(parse(words, environment), parse(words, environment));
  if ((role & is_ssh) != 0) check_ssh_words(words);
  return 0;
}
