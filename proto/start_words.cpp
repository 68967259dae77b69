#include "proto/start_words.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "proto/message_fields.hpp"

namespace runwire {
namespace {

// Where the next of `words` NUL-terminated words ends; npos where there is none.
std::optional<std::string_view> take_word(std::string_view& rest) {
  const auto end = rest.find('\0');
  if (end == rest.npos) return std::nullopt;
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return word;
}

Status take_words(std::string_view& rest, std::uint64_t count, std::vector<std::string>& words) {
  for (; count > 0; --count) {
    const auto word = take_word(rest);
    if (!word) return broken_message("start: the payload has fewer words than were announced");
    words.emplace_back(*word);
  }
  return Ok{};
}

}  // namespace

Result<StartWords> split_start_payload(const Start& start, std::string_view payload) {
  StartWords words;
  if (start.shell && start.envc == 0) {
    words.line = payload;
    if (words.line.find('\0') != words.line.npos)
      return broken_message("start: a shell line cannot hold a NUL byte; nothing was run");
    return words;
  }
  if (start.shell) {
    const auto line = take_word(payload);
    if (!line) return broken_message("start: before environment words the line ends with a NUL byte");
    words.line = *line;
  }
  RUNWIRE_TRY(take_words(payload, start.argc, words.argv));
  RUNWIRE_TRY(take_words(payload, start.envc, words.environment));
  if (!payload.empty()) return broken_message("start: the payload has more words than were announced");
  if (!start.shell && words.argv[0].empty())
    return broken_message("start: the first word, the program, is empty");
  const auto has_no_name = [](const std::string& word) {
    return word.find('=') == 0 || word.find('=') == word.npos;
  };
  if (std::any_of(words.environment.begin(), words.environment.end(), has_no_name))
    return broken_message("start: a word of the environment is not NAME=VALUE");
  return words;
}

std::string join_start_payload(const StartWords& words, bool shell) {
  if (shell && words.environment.empty()) return words.line;
  std::string payload;
  if (shell) payload.append(words.line).push_back('\0');
  for (const auto* list : {&words.argv, &words.environment})
    for (const std::string& word : *list) payload.append(word).push_back('\0');
  return payload;
}

}  // namespace runwire
