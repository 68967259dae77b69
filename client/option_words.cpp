#include "client/option_words.hpp"

#include <CLI/CLI.hpp>
#include <utility>
#include <vector>

#include "client/command_request.hpp"
#include "client/timespan.hpp"

namespace runwire {
namespace {

bool names_an_option_with_a_value(const CLI::App& app, const std::string& name) {
  const CLI::Option* option = app.get_option_no_throw(name);
  return option != nullptr && option->get_items_expected_max() > 0;
}

}  // namespace

Error usage_error(std::string why, std::string_view help) {
  return {Errc::invalid_argument, std::move(why) + "; `" + std::string(help) + "` shows the usage"};
}

bool takes_the_next_word(const CLI::App& app, const std::string& word) {
  if (word.starts_with("--")) return names_an_option_with_a_value(app, word);
  for (std::size_t i = 1; i < word.size(); ++i)
    if (names_an_option_with_a_value(app, std::string("-") + word[i])) return i + 1 == word.size();
  return false;
}

Status parse_options(CLI::App& app, std::span<const std::string> words, std::string_view help) {
  try {
    app.parse(
        std::vector<std::string>(words.rbegin(), words.rend()));  // CLI11 takes its vector from the back
  } catch (const CLI::Error& error) {
    return usage_error(error.what(), help);
  }
  return Ok{};
}

Result<std::chrono::milliseconds> read_connect_timeout(const std::string& text) {
  const auto span = parse_timespan(text);
  if (!span || span->count() == 0 || *span > kLongestConnecting)
    return usage_error("--connect-timeout must be more than 0 and at most 24h: write 10s, 500ms or 2m");
  return *span;
}

}  // namespace runwire
