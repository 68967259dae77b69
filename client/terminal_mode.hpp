// The terminal here, while a command at a terminal over there has it: every key goes there as it is.
#pragma once

#include <signal.h>
#include <termios.h>

#include <optional>

#include "proto/client_message.hpp"

namespace runwire {

// As it was, until make_raw(); then raw (cfmakeraw(3)) until restore(), while it lives, or until the program ends, by a
// signal, too. Only SIGKILL, which nothing can be done about, and a stack that is full leave the terminal raw. While
// another process group has the terminal, because we are in the background, it is left alone. One at a time in a
// process.
class TerminalMode {
 public:
  // `fd` outlives this. Where it is no terminal nothing is ever changed.
  explicit TerminalMode(int fd);
  TerminalMode(const TerminalMode&) = delete;
  TerminalMode& operator=(const TerminalMode&) = delete;
  ~TerminalMode();

  bool is_there() const;  // false: there is no terminal
  void make_raw();
  void restore();
  bool is_raw() const;
  // The key that interrupts a program here when the terminal is not raw. Absent: none does.
  std::optional<char> interrupt_key() const;

  // Stops this program, the terminal being as it was; returns when the program goes on, and the terminal is raw.
  void stop_program();
  // The same with its whole job, as Ctrl-Z does it, but only where there is a shell that can have it go on.
  void stop_job();
  bool is_job_of_shell() const;  // there certainly is one
  // Raw anew: whoever had the terminal while the program was stopped has set it for himself.
  void resume();
};

// While it lives, a key can be read as soon as it is pressed, and lines that are written end as such. Ctrl-C is a
// signal, or a key, as it was. When the program ends or is stopped by a signal, the terminal is as it was before
// anything changed it. It may come on top of a TerminalMode, of the same terminal.
class KeyByKey {
 public:
  explicit KeyByKey(int terminal);  // which outlives this
  KeyByKey(const KeyByKey&) = delete;
  KeyByKey& operator=(const KeyByKey&) = delete;
  ~KeyByKey();

  bool interrupts(char key) const;

 private:
  void catch_stop();

  bool was_changed_;  // already; this and the next three are how it was
  int terminal_;
  termios before_, wanted_;
  struct sigaction stop_before_ = {};
  bool is_set_ = false, catches_stop_ = false;
  cc_t interrupt_key_ = 0;
};

// Of the first of stdin, stdout and stderr that is a terminal and knows.
std::optional<PtySize> window_size();

}  // namespace runwire
