// Errors as values. A function that can fail for a reason outside the program returns Result<T>;
// a broken invariant is an assert. Nothing here throws.
// Source: the idea of std::expected (P0323), which C++20 does not have yet.
#pragma once

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace runwire {

// What kind of failure it is; the closed set that callers may branch on.
enum class Errc {
  invalid_argument,  // the caller's words: an address, an option, a value out of range
  protocol,          // the peer's bytes break the protocol
  io,                // a system call failed; the message names the call and the errno text
  refused,           // nobody listens there, or we may not go in
  timeout,           // a deadline passed
  closed,            // the peer ended the conversation before its time
};

// `message` reads `what: why; what to do next` and is meant for a person.
struct Error {
  Errc code;
  std::string message;
  int errno_value = 0;  // of the system call that failed, where the caller is promised it; else 0
};

// Either a T or an Error. REQUIRES: value() only when ok(), error() only when not.
template <class T> class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() { return assert(ok()), *std::get_if<0>(&state_); }
  const T& value() const { return assert(ok()), *std::get_if<0>(&state_); }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  const Error& error() const { return assert(!ok()), *std::get_if<1>(&state_); }

 private:
  std::variant<T, Error> state_;
};

// Success without a value.
struct Ok {};
using Status = Result<Ok>;

}  // namespace runwire

// Leaves the enclosing function with the error of `expression`, a Result of any type.
#define RUNWIRE_TRY(expression)                                         \
  do {                                                                  \
    if (auto&& tried = (expression); !tried.ok()) return tried.error(); \
  } while (false)
