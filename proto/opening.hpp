// What the first bytes of a request say about who is talking: a plain command, a session, or somebody who
// mistook us for another kind of server. A web page can make a browser connect to loopback and choose most of
// what it sends, so whatever looks like HTTP must never reach a shell.
//
// Source: Valkey drops connections that say "POST" or "Host:" for the same reason (networking.c).
#pragma once

#include <string_view>

namespace runwire {

enum class Opening {
  plain,      // a command for the shell
  undecided,  // could still become one of those below: wait for more, or for silence, and then it is plain
  session,    // starts with NUL
  tls,        // a TLS handshake record
  http,       // an HTTP request line, in any case of letters, of any version
  ssh,        // an SSH banner
};

// Judges what has been received of one request so far, by its first kJudgedBytes: what is undecided then is plain.
// So the cost of a request that comes in small pieces, each of which is a reason to judge again, stays bounded; and
// the request lines that HTTP asks every sender and receiver to support fit in (8000 bytes, RFC 9112 section 3).
//
// On longer input it changes its mind only from `undecided`,
// and from `plain` to `http` where a first line of any words turns out to end in "HTTP/1.1" and CR LF. A shell line
// whose first word merely equals a method in lower case (`head -1 file`, `patch -p1`) is plain.
Opening judge_opening(std::string_view bytes);

}  // namespace runwire
