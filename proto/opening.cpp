#include "proto/opening.hpp"

#include <algorithm>
#include <cctype>
#include <optional>

#include "proto/limits.hpp"

namespace runwire {
namespace {

// RFC 9110, RFC 5789 (PATCH), RFC 9113 (PRI, the preface of HTTP/2), and WebDAV's (RFC 4918, 3253, 5323).
constexpr std::string_view kMethods[] = {
    "GET",  "HEAD",     "POST",      "PUT",   "DELETE", "CONNECT", "OPTIONS", "TRACE",  "PATCH",  "PRI",
    "COPY", "PROPFIND", "PROPPATCH", "MKCOL", "MOVE",   "LOCK",    "UNLOCK",  "SEARCH", "REPORT",
};
constexpr std::size_t kLongestMethod = std::string_view("PROPPATCH").size();
constexpr std::string_view kSshBanner = "SSH-";
constexpr std::string_view kBlanks = " \t";

// toupper(3) is a call.
char upper(char c) { return 'a' <= c && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

bool same_letters(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return upper(x) == upper(y); });
}

// RFC 9112 2.2: a server should skip empty lines before the request line, so many do.
std::string_view skip_white(std::string_view text) {
  const auto start = text.find_first_not_of("\r\n \t");
  return start == text.npos ? std::string_view() : text.substr(start);
}

bool is_http_version(std::string_view word) {
  constexpr std::string_view kName = "HTTP/";
  return word.size() > kName.size() && same_letters(word.substr(0, kName.size()), kName) &&
         std::isdigit(static_cast<unsigned char>(word[kName.size()])) != 0;
}

// Whether `line` ends as a request line does; shell text may only mention the version elsewhere.
bool ends_in_http_version(std::string_view line) {
  line = line.substr(0, line.find_last_not_of(kBlanks) + 1);
  return is_http_version(line.substr(line.find_last_of(kBlanks) + 1));  // npos + 1 is the whole line
}

bool mentions_http_version(std::string_view words) {
  for (auto slash = words.find('/'); slash != words.npos; slash = words.find('/', slash + 1)) {
    constexpr std::size_t kNameBytes = 4;  // of "HTTP"
    if (slash < kNameBytes) continue;
    const std::size_t start = slash - kNameBytes;
    const bool starts_word = start == 0 || kBlanks.find(words[start - 1]) != kBlanks.npos;
    if (starts_word && is_http_version(words.substr(start))) return true;
  }
  return false;
}

// A request's target starts with a path, an asterisk, a scheme or, after CONNECT, a host (RFC 9112 3.2). None of
// these starts with the '-' of an option or with a quote.
bool may_start_target(char c) {
  return c == '/' || c == '*' || c == '[' || std::isalnum(static_cast<unsigned char>(c)) != 0;
}

// `line` starts with a method's name and a blank, in letters of any case.
Opening judge_after_method(std::string_view method, std::string_view line, bool line_is_whole) {
  // Of the commands only libwww-perl's GET, HEAD and POST are named so; they can be had by their path.
  if (line.substr(0, method.size()) == method) return Opening::http;
  const auto target = line.find_first_not_of(kBlanks, method.size());
  if (target == line.npos) return line_is_whole ? Opening::plain : Opening::undecided;
  if (!may_start_target(line[target])) return Opening::plain;
  // Anywhere, for the rest of the line may be on its way and must not change the verdict.
  if (mentions_http_version(line.substr(target))) return Opening::http;
  return line_is_whole ? Opening::plain : Opening::undecided;
}

std::optional<Opening> judge_method(std::string_view line, bool line_is_whole) {
  // No further than a method can reach: a long command that comes in small pieces is judged with each.
  const auto word_end = line.substr(0, kLongestMethod + 1).find_first_of(kBlanks);
  const std::string_view word = line.substr(0, word_end);
  for (std::string_view method : kMethods) {
    if (word_end != line.npos && same_letters(word, method))
      return judge_after_method(method, line, line_is_whole);
    const bool beginning = word_end == line.npos && same_letters(word, method.substr(0, word.size()));
    if (beginning && !line_is_whole) return Opening::undecided;
  }
  return std::nullopt;
}

Opening judge_beginning(std::string_view bytes) {
  if (bytes.empty()) return Opening::undecided;
  if (bytes[0] == '\0') return Opening::session;
  if (bytes[0] == '\x16') return Opening::tls;

  const std::string_view text = skip_white(bytes);
  if (text.empty()) return Opening::undecided;
  if (text.substr(0, kSshBanner.size()) == kSshBanner) return Opening::ssh;
  if (text == kSshBanner.substr(0, text.size())) return Opening::undecided;

  const auto newline = text.find('\n');
  const bool line_is_whole = newline != text.npos;
  std::string_view line = text.substr(0, newline);
  const bool carriage_return = line_is_whole && line.ends_with('\r');
  if (carriage_return) line.remove_suffix(1);
  // Whatever the method is called: no shell line ends in "HTTP/1.1" and a carriage return.
  if (carriage_return && ends_in_http_version(line)) return Opening::http;
  return judge_method(line, line_is_whole).value_or(Opening::plain);
}

}  // namespace

Opening judge_opening(std::string_view bytes) {
  const Opening opening = judge_beginning(bytes.substr(0, kJudgedBytes));
  return opening == Opening::undecided && bytes.size() >= kJudgedBytes ? Opening::plain : opening;
}

}  // namespace runwire
