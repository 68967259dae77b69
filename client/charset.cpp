#include "client/charset.hpp"

#include <langinfo.h>

#include <cerrno>
#include <clocale>
#include <utility>

namespace runwire {
namespace {

const auto kNone = reinterpret_cast<iconv_t>(-1);

// glibc and libiconv replace what the target set lacks by something similar when asked for it with a suffix
// that other systems do not know.
iconv_t open_lenient(const std::string& from, const std::string& to) {
  const iconv_t lenient = ::iconv_open((to + "//TRANSLIT").c_str(), from.c_str());
  return lenient != kNone ? lenient : ::iconv_open(to.c_str(), from.c_str());
}

bool is_known(const std::string& name) {
  const iconv_t probe = ::iconv_open("UTF-8", name.c_str());
  if (probe != kNone) ::iconv_close(probe);
  return probe != kNone;
}

bool says_ascii(std::string_view codeset) {
  return codeset.empty() || codeset == "ANSI_X3.4-1968" || codeset == "US-ASCII" || codeset == "ASCII";
}

}  // namespace

void adopt_locale() {
  std::setlocale(LC_CTYPE, "");
  if (says_ascii(::nl_langinfo(CODESET))) std::setlocale(LC_CTYPE, "C.UTF-8");
}

std::string terminal_charset() {
  const std::string name = ::nl_langinfo(CODESET);
  return says_ascii(name) ? "UTF-8" : name;
}

Result<Charset> Charset::open(const std::string& from, const std::string& to) {
  const iconv_t descriptor = open_lenient(from, to);
  if (descriptor == kNone) {
    const std::string& unknown = is_known(from) ? to : from;
    return Error{Errc::invalid_argument,
                 "encoding '" + unknown + "' is not known on this system; `iconv -l` lists those that are"};
  }
  Charset charset(descriptor, "?");
  const iconv_t from_utf8 = ::iconv_open(to.c_str(), "UTF-8");
  if (from_utf8 == kNone) return charset;
  auto mark = Charset(from_utf8, "?").convert_exactly("\xef\xbf\xbd");
  if (mark) charset.replacement_ = *mark;
  return charset;
}

Charset::Charset(iconv_t descriptor, std::string replacement)
    : descriptor_(descriptor), replacement_(std::move(replacement)) {}

Charset::Charset(Charset&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, kNone)),
      replacement_(std::move(other.replacement_)),
      unfinished_(std::move(other.unfinished_)) {}

Charset::~Charset() {
  if (descriptor_ != kNone) ::iconv_close(descriptor_);
}

Charset::Step Charset::advance(std::string_view& in, std::string& out) {
  bool inexact = false;
  while (!in.empty()) {
    char buffer[4096];
    char* from = const_cast<char*>(in.data());  // iconv(3) is declared so, and does not write there
    char* to = buffer;
    std::size_t from_left = in.size(), to_left = sizeof buffer;
    const std::size_t replaced = ::iconv(descriptor_, &from, &from_left, &to, &to_left);
    const int error = replaced == static_cast<std::size_t>(-1) ? errno : 0;
    out.append(buffer, sizeof buffer - to_left);
    in.remove_prefix(in.size() - from_left);
    if (error != 0 && error != E2BIG) return {error, inexact};
    inexact = inexact || (error == 0 && replaced > 0);
  }
  return {0, inexact};
}

std::string Charset::convert(std::string_view bytes) {
  const std::string whole = std::exchange(unfinished_, {}) + std::string(bytes);
  std::string_view in = whole;
  std::string out;
  while (!in.empty()) {
    const int error = advance(in, out).error;
    if (error == 0) break;
    if (error == EINVAL) {
      unfinished_ = in;
      break;
    }
    out += replacement_;
    in.remove_prefix(1);
  }
  return out;
}

std::string Charset::finish() {
  std::string out = unfinished_.empty() ? "" : replacement_;
  unfinished_.clear();
  char buffer[64];  // what leads a stateful set back to its initial state, a few bytes
  char* to = buffer;
  std::size_t to_left = sizeof buffer;
  ::iconv(descriptor_, nullptr, nullptr, &to, &to_left);
  return out.append(buffer, sizeof buffer - to_left);
}

Result<std::string> Charset::convert_exactly(std::string_view text) {
  std::string out;
  const Step step = advance(text, out);
  out += finish();
  if (step.error == 0 && !step.inexact) return out;
  return Error{
      Errc::invalid_argument,
      "the command holds a character that the server's encoding does not have; leave it out, or give "
      "another --encoding"};
}

}  // namespace runwire
