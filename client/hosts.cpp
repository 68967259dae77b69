#include "client/hosts.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <numeric>
#include <utility>

// Header-only and without exceptions: nothing of it is needed at run time. This is the one file that includes it.
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include "client/command_request.hpp"
#include "client/timespan.hpp"
#include "client/unique_fd.hpp"
#include "proto/limits.hpp"

namespace runwire {
namespace {

constexpr std::array<std::string_view, 5> kKeys = {"address", "workdir", "env", "connect_timeout", "linger"};

// In how many single letters two words differ (Levenshtein).
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

bool is_key(std::string_view word) { return std::find(kKeys.begin(), kKeys.end(), word) != kKeys.end(); }

// Mistyped, cut short or written out: near enough to be meant.
bool is_near(std::string_view word, std::string_view key) {
  const bool is_part = word.size() > 2 && key.find(word) != key.npos;
  return is_part || word.find(key) != word.npos || distance(word, key) <= 2;
}

// What to do about a key that there is none of.
std::string advice_on(std::string_view word) {
  const auto nearest = std::min_element(kKeys.begin(), kKeys.end(), [&](auto a, auto b) {
    return std::pair(!is_near(word, a), distance(word, a)) < std::pair(!is_near(word, b), distance(word, b));
  });
  if (is_near(word, *nearest)) return "did you mean '" + std::string(*nearest) + "'?";
  std::string keys;
  for (const std::string_view key : kKeys) keys += (keys.empty() ? "" : ", ") + std::string(key);
  return "there are " + keys;
}

// Reads one file's tables. What is wrong is told with the line where it stands.
class HostsReader {
 public:
  explicit HostsReader(std::string_view path) : path_(path) {}

  Result<Hosts> read(const toml::table& file) {
    Hosts hosts;
    for (const auto& [key, node] : file) {
      auto entry = read_entry(key, node);
      RUNWIRE_TRY(entry);
      hosts.emplace(key.str(), std::move(*entry));
    }
    return hosts;
  }

  Error wrong(const toml::source_region& place, std::string_view why) const {
    return {Errc::invalid_argument,
            std::string(path_) + ":" + std::to_string(place.begin.line) + ": " + std::string(why)};
  }

 private:
  Result<HostEntry> read_entry(const toml::key& name, const toml::node& node) {
    const toml::table* table = node.as_table();
    if (table == nullptr)
      return wrong(name.source(), "it is no table: '" + std::string(name.str()) + "'; put it below a [NAME]");
    if (!can_name_a_host(name.str()))
      return wrong(name.source(),
                   "a name is made of letters, digits, '.', '-' and '_', and has no '-' in front");
    for (const auto& [key, value] : *table)
      if (!is_key(key.str()) && !value.is_table()) return unknown(key);
    if (table->get("address") == nullptr)
      return wrong(node.source(), "no address for '" + std::string(name.str()) +
                                      "'; give it one, as in address = \"10.0.0.7:8098\"" +
                                      hint_at_dots(*table, name.str()));
    HostEntry entry;
    for (const auto& [key, value] : *table) RUNWIRE_TRY(read_key(entry, key, value));
    return entry;
  }

  Error unknown(const toml::key& key) const {
    return wrong(key.source(), "there is no key '" + std::string(key.str()) + "'; " + advice_on(key.str()));
  }

  // [web.prod] is a table `prod` in a table `web`, which is seldom what was meant.
  static std::string hint_at_dots(const toml::table& table, std::string_view name) {
    for (const auto& [key, value] : table)
      if (value.is_table() && key.str() != "env")
        return ", and quotes to a name with dots: [\"" + std::string(name) + "." + std::string(key.str()) +
               "\"]";
    return "";
  }

  Status read_key(HostEntry& entry, const toml::key& key, const toml::node& value) {
    if (key.str() == "address") return read_address(entry, value);
    if (key.str() == "workdir") return read_workdir(entry, value);
    if (key.str() == "env") return read_environment(entry, value);
    if (key.str() == "connect_timeout") return read_timeout(entry, value);
    if (key.str() == "linger") return read_linger(entry, value);
    return unknown(key);
  }

  Status read_address(HostEntry& entry, const toml::node& value) {
    const auto text = value.value_exact<std::string>();
    if (!text)
      return wrong(value.source(), "address is no text; write it in quotes, as in \"10.0.0.7:8098\"");
    auto address = parse_address(*text, kDefaultPort);
    if (!address) return wrong(value.source(), address.error().message);
    const bool is_nowhere = !address->is_unix() && address->port == 0;
    if (is_nowhere) return wrong(value.source(), "nobody listens on port 0; write a port from 1 to 65535");
    entry.address = std::move(*address);
    return Ok{};
  }

  Status read_workdir(HostEntry& entry, const toml::node& value) {
    const auto text = value.value_exact<std::string>();
    const bool possible = text && !text->empty() && text->find('\0') == text->npos;
    if (!possible) return wrong(value.source(), "workdir must name a directory there, as in \"/srv/build\"");
    entry.workdir = *text;
    return Ok{};
  }

  Status read_environment(HostEntry& entry, const toml::node& value) {
    const toml::table* table = value.as_table();
    if (table == nullptr) return wrong(value.source(), "env must be a table, as in { LANG = \"C.UTF-8\" }");
    for (const auto& [key, node] : *table) {
      const std::string name(key.str());
      const auto text = node.value_exact<std::string>();
      if (!text)
        return wrong(node.source(), "env: the value of " + name + " is no text; put quotes around it");
      if (name.empty() || (name + *text).find('\0') != name.npos || name.find('=') != name.npos)
        return wrong(key.source(),
                     "env: a variable needs a name without '=', and neither may hold a NUL byte");
      entry.environment.push_back(name + "=" + *text);
    }
    return Ok{};
  }

  Status read_timeout(HostEntry& entry, const toml::node& value) {
    const auto seconds = value.value<double>();
    const auto text = value.value_exact<std::string>();
    const auto span = parse_timespan(text ? *text : seconds ? std::to_string(*seconds) : "");
    if (!span || span->count() == 0 || *span > kLongestConnecting)
      return wrong(
          value.source(),
          "connect_timeout must be more than 0 and at most 24h: write seconds or a span of time, as in "
          "2.5 or \"500ms\"");
    entry.connect_timeout = *span;
    return Ok{};
  }

  Status read_linger(HostEntry& entry, const toml::node& value) {
    entry.linger = linger_named(value.value_or(std::string_view()));
    if (!entry.linger) return wrong(value.source(), R"(linger must be "grace", "wait" or "return")");
    return Ok{};
  }

  std::string_view path_;
};

Error unreadable(const std::string& path) {
  return {Errc::io, path + ": " + std::strerror(errno) + "; make it a file that you may read, or remove it",
          errno};
}

}  // namespace

bool can_name_a_host(std::string_view word) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  };
  return !word.empty() && word[0] != '-' && word != "." && std::all_of(word.begin(), word.end(), fits);
}

Result<Hosts> parse_hosts(std::string_view text, std::string_view path) {
  HostsReader reader(path);
  const toml::parse_result parsed = toml::parse(text);
  if (parsed) return reader.read(parsed.table());
  const toml::parse_error& error = parsed.error();
  return reader.wrong(error.source(), "this is no TOML: " + std::string(error.description()) +
                                          "; see https://toml.io for how it is written");
}

Result<Hosts> read_hosts(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return errno == ENOENT || errno == ENOTDIR ? Result<Hosts>(Hosts{}) : unreadable(path);
  std::string text;
  char piece[16384];
  ssize_t count = 0;
  while ((count = ::read(file.get(), piece, sizeof piece)) > 0)
    text.append(piece, static_cast<std::size_t>(count));
  if (count < 0) return unreadable(path);
  return parse_hosts(text, path);
}

std::string hosts_path(std::string_view xdg_config_home, std::string_view home) {
  constexpr std::string_view kFile = "/runwire/hosts.toml";
  if (xdg_config_home.starts_with('/')) return std::string(xdg_config_home) + std::string(kFile);
  return home.empty() ? "" : std::string(home) + "/.config" + std::string(kFile);
}

}  // namespace runwire
