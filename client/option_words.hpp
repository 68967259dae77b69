// Options among the words of a command line: which words they are, and their values, which CLI11 reads.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>

#include "proto/result.hpp"

namespace CLI {
class App;
}

namespace runwire {

// `help` is the command line that shows more.
Error usage_error(std::string why, std::string_view help = "runwire --help");

// Is the next word this one's value? Of letters in one word, the first that takes a value takes the letters behind it.
bool takes_the_next_word(const CLI::App& app, const std::string& word);

// ERRORS: invalid_argument.
Status parse_options(CLI::App& app, std::span<const std::string> words,
                     std::string_view help = "runwire --help");

// Of --connect-timeout. ERRORS: invalid_argument.
Result<std::chrono::milliseconds> read_connect_timeout(const std::string& text);

}  // namespace runwire
