// The addresses of a host, by a deadline: getaddrinfo(3) has none that its caller could set.
#pragma once

#include <netdb.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "proto/result.hpp"

namespace runwire {

using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;
using Lookup = int (*)(const char* host, const char* port, const addrinfo* hints, addrinfo** found);

// The addresses of `host` for stream sockets, one at least. Numbers are read at once; a name is looked up in a
// thread of its own. Where the deadline passes first, the thread is left behind: it ends when the resolver gives up
// (resolv.conf(5)), or with the process, and what it finds is dropped. `lookup` is for tests.
// ERRORS: timeout; invalid_argument (there is no such host, or its name server does not answer); io (no thread can be
// started). The message is the cause alone.
Result<AddressList> resolve(const std::string& host, std::uint16_t port,
                            std::chrono::steady_clock::time_point deadline, Lookup lookup = ::getaddrinfo);

}  // namespace runwire
