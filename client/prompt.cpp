#include "client/prompt.hpp"

#include <unistd.h>

#include "client/output.hpp"
#ifdef RUNWIRE_LIBEDIT
#include "client/line_editor.hpp"
#endif

namespace runwire {
namespace {

int fail(const Error& error) {
  say(error.message);
  return kOwnFailureStatus;
}

int run_all(RemoteShell::Options options, Interrupt* interrupt,
            const std::function<Result<Line>()>& next_line) {
  auto shell = RemoteShell::open(std::move(options));
  if (!shell) return fail(shell.error());
  if (interrupt != nullptr) shell->obey(*interrupt);
  if (!shell->connect()) return kOwnFailureStatus;
  const int status = run_lines(*shell, next_line, interrupt == nullptr);
  shell->close();
  return status;
}

int run_on_terminal(RemoteShell::Options options) {
  auto interrupt = Interrupt::install();
  if (!interrupt) return fail(interrupt.error());
#ifdef RUNWIRE_LIBEDIT
  if (::isatty(STDERR_FILENO) == 1) {
    auto editor = LineEditor::open();
    if (!editor) return fail(editor.error());
    return run_all(std::move(options), &*interrupt, [&] { return (*editor)->next(); });
  }
#endif
  LineReader reader(STDIN_FILENO, &*interrupt);
  return run_all(std::move(options), &*interrupt, [&] { return reader.next(); });
}

}  // namespace

int run_lines(RemoteShell& shell, const std::function<Result<Line>()>& next_line, bool gives_up) {
  Outcome outcome = {0, false};
  for (;;) {
    const auto line = next_line();
    if (!line) return fail(line.error());
    if (line->kind == Line::end) return outcome.exit_status;
    const bool blank = line->text.find_first_not_of(" \t\r") == std::string::npos;
    if (line->kind == Line::interrupted || blank) continue;
    outcome = shell.run(line->text);
    if (outcome.own_failure && gives_up) return kOwnFailureStatus;
  }
}

int run_prompt(RemoteShell::Options options) {
  options.says_status = true;
  if (::isatty(STDIN_FILENO) == 1) return run_on_terminal(std::move(options));
  LineReader reader(STDIN_FILENO, nullptr);
  return run_all(std::move(options), nullptr, [&] { return reader.next(); });
}

}  // namespace runwire
