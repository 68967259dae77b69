#include "client/line_editor.hpp"

#include <signal.h>

#include <cstdio>

namespace runwire {
namespace {

constexpr int kRememberedLines = 1000;

char* prompt_of(EditLine*) {
  static char prompt[] = ">>>: ";
  static_assert(sizeof prompt == kPrompt.size() + 1);
  return prompt;
}

}  // namespace

Result<std::unique_ptr<LineEditor>> LineEditor::open() {
  EditLine* editor = ::el_init("runwire", stdin, stderr, stderr);
  if (editor == nullptr) return Error{Errc::io, "the terminal cannot be used for editing; check TERM"};
  History* history = ::history_init();
  if (history == nullptr) {
    ::el_end(editor);
    return Error{Errc::io, "no memory for the history"};
  }
  return std::unique_ptr<LineEditor>(new LineEditor(editor, history));
}

LineEditor::LineEditor(EditLine* editor, History* history) : editor_(editor), history_(history) {
  HistEvent event;
  ::history(history_, &event, H_SETSIZE, kRememberedLines);
  ::history(history_, &event, H_SETUNIQUE, 1);
  ::el_set(editor_, EL_CLIENTDATA, this);
  ::el_set(editor_, EL_PROMPT, prompt_of);
  ::el_set(editor_, EL_HIST, ::history, history_);
  ::el_set(editor_, EL_EDITOR, "emacs");
  ::el_set(editor_, EL_SIGNAL, 1);  // so that a signal that ends us finds the terminal as it was
  ::el_source(editor_, nullptr);    // the user's ~/.editrc
  // Ctrl-C must come as a key while a line is edited. Of the terminal's settings libedit keeps only such flags,
  // a changed `intr` character it forgets; so Ctrl-Z comes as a key as well.
  ::el_set(editor_, EL_SETTY, "-d", "-isig", nullptr);
  // The wide form keeps the literals; the narrow one makes copies that nobody frees.
  ::el_wset(editor_, EL_ADDFN, L"runwire-interrupt", L"Forget the line", on_interrupt_key);
  ::el_wset(editor_, EL_ADDFN, L"runwire-suspend", L"Stop until fg", on_suspend_key);
  ::el_set(editor_, EL_BIND, "^C", "runwire-interrupt", nullptr);
  ::el_set(editor_, EL_BIND, "^Z", "runwire-suspend", nullptr);
}

LineEditor::~LineEditor() {
  ::history_end(history_);
  ::el_end(editor_);
}

unsigned char LineEditor::on_interrupt_key(EditLine* editor, int) {
  LineEditor* self = nullptr;
  ::el_get(editor, EL_CLIENTDATA, &self);
  self->interrupted_ = true;
  return CC_EOF;
}

unsigned char LineEditor::on_suspend_key(EditLine*, int) {
  ::raise(SIGTSTP);  // libedit gives the terminal back before, and takes it again after SIGCONT
  return CC_REDISPLAY;
}

void LineEditor::remember(const char* line) {
  HistEvent event;
  ::history(history_, &event, H_ENTER, line);
}

Result<Line> LineEditor::next() {
  interrupted_ = false;
  int count = 0;
  const char* typed = ::el_gets(editor_, &count);
  if (interrupted_) {
    std::fputs("^C\n", stderr);
    return Line{Line::interrupted, ""};
  }
  if (typed == nullptr || count <= 0) {
    std::fputs("\n", stderr);
    return Line{Line::end, ""};
  }
  std::string text(typed, static_cast<std::size_t>(count));
  if (text.find_first_not_of(" \t\n") != text.npos) remember(typed);
  if (text.back() == '\n') text.pop_back();
  return Line{Line::command, text};
}

}  // namespace runwire
