#include "proto/session_words.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "proto/message_fields.hpp"

namespace runwire {
namespace {

constexpr std::string_view kStreamNames[] = {"stdin", "stdout", "stderr"};
constexpr std::string_view kLingerNames[] = {"grace", "wait", "return"};
constexpr std::string_view kFullNames[] = {"block", "spill", "drop"};

template <class Enum, std::size_t N>
std::optional<Enum> value_named(const std::string_view (&names)[N], std::string_view name) {
  const auto* found = std::find(std::begin(names), std::end(names), name);
  if (found == std::end(names)) return std::nullopt;
  return static_cast<Enum>(found - std::begin(names));
}

}  // namespace

std::string_view name_of(StdStream stream) { return kStreamNames[static_cast<std::size_t>(stream)]; }
std::string_view name_of(Linger linger) { return kLingerNames[static_cast<std::size_t>(linger)]; }
std::string_view name_of(Full full) { return kFullNames[static_cast<std::size_t>(full)]; }

std::optional<Linger> linger_named(std::string_view name) { return value_named<Linger>(kLingerNames, name); }
std::optional<Full> full_named(std::string_view name) { return value_named<Full>(kFullNames, name); }

std::string to_json(const Stop& message) {
  JsonWriter json = begin_message("stop", message.id);
  return std::move(json.text("stream", name_of(message.stream))).finish();
}

std::string to_json(const Credit& message) {
  JsonWriter json = begin_message("credit", message.id);
  json.text("stream", name_of(message.stream));
  write_size(json, "bytes", message.bytes);
  return std::move(json).finish();
}

std::string to_json(const Ping&) { return begin_message("ping").finish(); }
std::string to_json(const Pong&) { return begin_message("pong").finish(); }

}  // namespace runwire
