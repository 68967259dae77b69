#include "server/spawn_environment.hpp"

#include <cstddef>
#include <string_view>
#include <unordered_map>

namespace runwire {
namespace {

std::string_view name_of(std::string_view word) { return word.substr(0, word.find('=')); }

bool is_named(std::string_view word, std::string_view name) {
  return word.starts_with(name) && (word.size() == name.size() || word[name.size()] == '=');
}

// Where a mark is all that is given, which is so for nearly every command.
void add_one(char* const* base, std::string& word, std::vector<char*>& pointers) {
  const std::string_view name = name_of(word);
  for (; *base != nullptr; ++base)
    if (!is_named(*base, name)) pointers.push_back(*base);
  pointers.push_back(word.data());
}

void add_all(char* const* base, std::vector<std::string>& words, std::vector<char*>& pointers) {
  std::unordered_map<std::string_view, std::size_t> last;
  for (std::size_t i = 0; i < words.size(); ++i) last[name_of(words[i])] = i;
  for (; *base != nullptr; ++base)
    if (!last.contains(name_of(*base))) pointers.push_back(*base);
  for (std::size_t i = 0; i < words.size(); ++i)
    if (last[name_of(words[i])] == i) pointers.push_back(words[i].data());
}

}  // namespace

char* const* environment_of(const SpawnSpec& spec, char* const* base, EnvironmentRoom& room) {
  if (spec.mark.empty() && spec.environment.empty() && !spec.clear_environment) return base;
  static char* const none[] = {nullptr};
  if (spec.clear_environment) base = none;
  room.words = spec.environment;
  if (!spec.mark.empty()) room.words.push_back(spec.mark);
  room.pointers.clear();
  if (room.words.size() == 1)
    add_one(base, room.words.front(), room.pointers);
  else
    add_all(base, room.words, room.pointers);
  room.pointers.push_back(nullptr);
  return room.pointers.data();
}

}  // namespace runwire
