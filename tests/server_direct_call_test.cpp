#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "server/direct_call.hpp"

using namespace runwire;

namespace {

// Calls under an environ(7) of the given words.
DirectCalls with_environment(std::vector<std::string> words, const std::string& shell = "/bin/dash") {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return {shell, "/", pointers.data()};
}

DirectCalls ordinary() { return with_environment({"PATH=/usr/bin:/bin", "HOME=/root"}); }

std::vector<std::string> passed_on(const DirectCalls& calls) {
  std::vector<std::string> words;
  for (char* const* word = calls.environment(); *word != nullptr; ++word) words.emplace_back(*word);
  return words;
}

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("a program and plain words need no shell, and are looked for as PATH says") {
  const DirectCall call = ordinary().plan("  ls -l   /tmp,x:y=%+@_.z\n");
  CHECK(call.words == Words{"ls", "-l", "/tmp,x:y=%+@_.z"});
  CHECK(call.paths == Words{"/usr/bin/ls", "/bin/ls"});
}

TEST_CASE("a program that is named with a slash is not looked for") {
  CHECK(ordinary().plan("bin/ls").paths == Words{"bin/ls"});
}

TEST_CASE("every byte that is not plain needs the shell, wherever it stands") {
  const std::string plain_bytes = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./,:=@%+- ";
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    const bool plain = plain_bytes.find(text) != std::string::npos;
    CAPTURE(byte);
    CHECK(ordinary().plan("ls a" + text + "b").paths.empty() != plain);
  }
}

TEST_CASE("the shell's own words, assignments and nothing at all need the shell") {
  for (const char* command :
       {"", " ", "\n", "echo a", "true", "cd /", "if a", "while", "exec ls", "A=b", "A=b ls", "env",
        "printenv", "/usr/bin/env", "cat /proc/self/environ", "ls\nls"}) {
    CAPTURE(command);
    CHECK(ordinary().plan(command).paths.empty());
  }
}

TEST_CASE("the environment is passed on as dash does: names only, and PWD is where we are") {
  const DirectCalls calls =
      with_environment({"PATH=/bin", "a.b=1", "1a=2", "no-value", "KEPT=a=b", "PWD=/nowhere"});
  CHECK(passed_on(calls) == Words{"PATH=/bin", "KEPT=a=b", "PWD=/"});
}

TEST_CASE("where the shell would change more of the environment, or is another one, it is always needed") {
  for (const char* variable : {"IFS=x", "PPID=1", "OPTIND=3", "LINENO=4"})
    CHECK(with_environment({"PATH=/bin", variable}).plan("ls").paths.empty());
  CHECK(with_environment({"PATH=/bin"}, "/bin/bash").plan("ls").paths.empty());
  CHECK(with_environment({"HOME=/"}).plan("ls").paths.empty());
  CHECK(with_environment({"PATH=/bin:"}).plan("ls").paths.empty());
  CHECK(with_environment({"PATH=bin:/bin"}).plan("ls").paths.empty());
}
