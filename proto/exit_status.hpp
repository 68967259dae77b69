// How a command ended, as a value: an exit code or the signal that killed it, never both, never neither.
#pragma once

#include <string>
#include <string_view>
#include <variant>

namespace runwire {

class ExitStatus {
 public:
  static ExitStatus exited(int code) { return ExitStatus(code, 0); }
  static ExitStatus killed(int signal) { return ExitStatus(0, signal); }

  bool by_signal() const { return signal_ != 0; }
  int code() const { return code_; }      // 0..255; meaningless if by_signal()
  int signal() const { return signal_; }  // this machine's number; 0 unless by_signal()

  // What a shell would put into $?: the code, or 128 + the signal's number (POSIX XCU 2.8.2, as bash has it).
  int shell_status() const { return by_signal() ? 128 + signal_ : code_; }

  friend bool operator==(const ExitStatus&, const ExitStatus&) = default;

 private:
  ExitStatus(int code, int signal) : code_(code), signal_(signal) {}
  int code_;
  int signal_;
};

// Signals travel by name, as in RFC 4254 6.9, without "SIG" ("KILL"), because their numbers differ between
// systems; one that has no name travels as its number in decimal.
std::string signal_name(int number);
// 0 where the name is unknown here.
int signal_number(std::string_view name);

}  // namespace runwire
