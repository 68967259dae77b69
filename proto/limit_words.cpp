#include "proto/limit_words.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>

#include "proto/limits.hpp"

namespace runwire {
namespace {

constexpr std::string_view kUnits = "KMGT";

struct Name {
  std::string_view text;
  std::optional<std::uint64_t> CommandLimits::*limit;
  bool is_size;
};
constexpr Name kNames[] = {
    {"cpu", &CommandLimits::cpu_s, false},        {"as", &CommandLimits::as_bytes, true},
    {"nofile", &CommandLimits::nofile, false},    {"nproc", &CommandLimits::nproc, false},
    {"fsize", &CommandLimits::fsize_bytes, true}, {"core", &CommandLimits::core_bytes, true},
};

unsigned bits_of_unit(char unit) {
  const std::size_t place = kUnits.find(unit >= 'a' ? static_cast<char>(unit - 'a' + 'A') : unit);
  return place == kUnits.npos ? 0 : 10 * static_cast<unsigned>(place + 1);
}

// Not more than a number of JSON holds exactly.
std::optional<std::uint64_t> number_of(std::string_view text, bool is_size) {
  const unsigned bits = is_size && !text.empty() ? bits_of_unit(text.back()) : 0;
  if (bits > 0) text.remove_suffix(1);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (number > kMaxPayloadBytes >> bits) return std::nullopt;
  return number << bits;
}

Status read_word(std::string_view word, CommandLimits& limits) {
  const std::string shown = std::string(word).insert(0, 1, '\'') + "'";
  const std::size_t equals = std::min(word.find('='), word.size());
  const auto* name = std::find_if(std::begin(kNames), std::end(kNames),
                                  [&](const Name& each) { return each.text == word.substr(0, equals); });
  if (equals == word.size() || name == std::end(kNames))
    return Error{Errc::invalid_argument,
                 shown + " is no limit; write NAME=VALUE of cpu, as, nofile, nproc, fsize and core"};
  const auto number = number_of(word.substr(equals + 1), name->is_size);
  if (!number)
    return Error{Errc::invalid_argument,
                 shown + (name->is_size ? " needs a number of bytes, as 512, 64K, 20M or 2G"
                                        : " needs a whole number")};
  limits.*name->limit = *number;
  return Ok{};
}

}  // namespace

Status read_limit_words(std::string_view words, CommandLimits& limits) {
  for (std::size_t at = 0; at <= words.size();) {
    const std::size_t end = std::min(words.find(',', at), words.size());
    RUNWIRE_TRY(read_word(words.substr(at, end - at), limits));
    at = end + 1;
  }
  return Ok{};
}

}  // namespace runwire
