// The prompt on a terminal with editing keys and a history (in memory), by libedit. Built only where meson
// finds that; LineReader does without.
#pragma once

#include <histedit.h>

#include <memory>

#include "client/line_reader.hpp"

namespace runwire {

class LineEditor {
 public:
  // Edits on stdin and stderr, so that stdout holds the commands' output only.
  // REQUIRES: both are terminals, and adopt_locale() was called. ERRORS: io (the terminal can't be used).
  static Result<std::unique_ptr<LineEditor>> open();

  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;
  ~LineEditor();

  // Ctrl-C is a key here and no signal, see Line::interrupted. Ctrl-Z stops the program, as it does elsewhere.
  Result<Line> next();

 private:
  LineEditor(EditLine* editor, History* history);
  static unsigned char on_interrupt_key(EditLine* editor, int key);
  static unsigned char on_suspend_key(EditLine* editor, int key);
  void remember(const char* line);

  EditLine* editor_;
  History* history_;
  bool interrupted_ = false;
};

}  // namespace runwire
