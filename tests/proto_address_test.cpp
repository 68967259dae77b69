#include <doctest/doctest.h>

#include <string>

#include "proto/address.hpp"

using namespace runwire;

namespace {

Address parsed(std::string_view text) {
  const auto address = parse_address(text, 8098);
  REQUIRE_MESSAGE(address.ok(), address.error().message);
  return *address;
}

std::string reason(std::string_view text) {
  const auto address = parse_address(text, 8098);
  INFO(text);
  REQUIRE_FALSE(address.ok());
  CHECK(address.error().code == Errc::invalid_argument);
  CHECK(address.error().message.ends_with("(write host:port, [::1]:port or unix:/path)"));
  return address.error().message;
}

bool says(const std::string& message, std::string_view what) { return message.find(what) != message.npos; }

}  // namespace

TEST_CASE("address: a host, with a port or the default one") {
  CHECK(parsed("localhost") == Address{"", "localhost", 8098});
  CHECK(parsed("127.0.0.1:80") == Address{"", "127.0.0.1", 80});
  CHECK(parsed("tcp://host.example:1") == Address{"", "host.example", 1});
  CHECK(parsed("host:0") == Address{"", "host", 0});
  CHECK(parsed("host:65535") == Address{"", "host", 65535});
}

TEST_CASE("address: an IPv6 address, bare or in brackets") {
  CHECK(parsed("::1") == Address{"", "::1", 8098});
  CHECK(parsed("[::1]") == Address{"", "::1", 8098});
  CHECK(parsed("[::1]:80") == Address{"", "::1", 80});
  CHECK(parsed("tcp://[fe80::1%eth0]:80") == Address{"", "fe80::1%eth0", 80});
}

TEST_CASE("address: a Unix socket by its path") {
  for (const char* text : {"/run/x.sock", "unix:/run/x.sock", "unix:///run/x.sock"})
    CHECK(parsed(text) == Address{"/run/x.sock", "", 0});
  CHECK(parsed("unix:/a:b [c]").unix_path == "/a:b [c]");
}

TEST_CASE("address: what is written is read back") {
  for (const char* text : {"127.0.0.1:8098", "[::1]:8098", "host:1", "unix:/run/x.sock", "unix:/a b"})
    CHECK(to_string(parsed(text)) == text);
}

TEST_CASE("address: a Unix socket needs an absolute path without NUL") {
  CHECK(says(reason("unix:run/x.sock"), "absolute path"));
  CHECK(says(reason("unix:"), "absolute path"));
  for (const char* text : {"unix", "unix:80", "[unix]:80"}) CHECK(says(reason(text), "absolute path"));
  CHECK(says(reason("unix://host/x"), "absolute path"));
  CHECK(says(reason(std::string_view("/a\0b", 4)), "NUL"));
}

TEST_CASE("address: a port is a number from 0 to 65535 and nothing else") {
  for (const char* text : {"host:", "host:x", "host:65536", "host:-1", "host:+1", "host: 1", "host:1 ",
                           "host:0x10", "host:99999999999999999999", "[::1]:", "[::1]:x"})
    CHECK(says(reason(text), "the port must be a number"));
}

TEST_CASE("address: a host is there, and is none that a program would take for an option or a path") {
  for (const char* text : {"", ":80", "[]", "[]:80", "tcp://"})
    CHECK(says(reason(text), "the host is missing"));
  CHECK(says(reason("-oProxyCommand=x"), "cannot start with '-'"));
  CHECK(says(reason("[-x]:80"), "cannot start with '-'"));
  for (const char* text : {"a b", "a\tb:1", "a/b", "tcp:///x", "http://host:1", "a\nb"})
    CHECK(says(reason(text), "a blank or a slash"));
}

TEST_CASE("address: brackets enclose the whole host") {
  for (const char* text : {"[::1", "[::1]80", "[::1]x:80", "[", ":1:[]:80", "a]", "[[::1]]"})
    CHECK(says(reason(text), "brackets"));
}

TEST_CASE("address: an error shows the address that it is about") {
  CHECK(says(reason("host:x"), "'host:x'"));
}

TEST_CASE("address: the default socket is in the runtime directory, else in a directory of the user's own") {
  CHECK(default_socket_path("/run/user/1000", 1000) == "/run/user/1000/runwire.sock");
  CHECK(default_socket_path("", 1000) == "/tmp/runwire-1000/runwire.sock");
  CHECK(default_socket_dir("relative/dir", 0) == "/tmp/runwire-0");
}
