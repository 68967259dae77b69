#include "client/prompt.hpp"

#include <unistd.h>

#include <functional>

#include "client/cli.hpp"
#include "client/line_reader.hpp"
#include "client/output.hpp"
#include "client/session_shell.hpp"
#ifdef RUNWIRE_LIBEDIT
#include "client/line_editor.hpp"
#endif

namespace runwire {
namespace {

int fail(const Error& error) {
  say(error.message);
  return kOwnFailureStatus;
}

using NextLine = std::function<Result<Line>()>;

// `gives_up`: at the first failure of our own.
template <class Shell> int run_lines(Shell& shell, const NextLine& next_line, bool gives_up) {
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

// `interrupt`: null where nobody is there to press Ctrl-C.
template <class Shell>
int run_all(typename Shell::Options options, Signals* interrupt, const NextLine& next_line) {
  auto shell = Shell::open(std::move(options));
  if (!shell) return fail(shell.error());
  if (interrupt != nullptr) shell->obey(*interrupt);
  if (!shell->connect()) return kOwnFailureStatus;
  const int status = run_lines(*shell, next_line, interrupt == nullptr);
  shell->close();
  return status;
}

template <class Shell> int run_on_terminal(typename Shell::Options options) {
  auto interrupt = Signals::install({SIGINT});
  if (!interrupt) return fail(interrupt.error());
#ifdef RUNWIRE_LIBEDIT
  if (::isatty(STDERR_FILENO) == 1) {
    auto editor = LineEditor::open();
    if (!editor) return fail(editor.error());
    return run_all<Shell>(std::move(options), &*interrupt, [&] { return (*editor)->next(); });
  }
#endif
  LineReader reader(STDIN_FILENO, &*interrupt);
  return run_all<Shell>(std::move(options), &*interrupt, [&] { return reader.next(); });
}

template <class Shell> int run_prompt_over(typename Shell::Options options) {
  if (::isatty(STDIN_FILENO) == 1) return run_on_terminal<Shell>(std::move(options));
  LineReader reader(STDIN_FILENO, nullptr);
  return run_all<Shell>(std::move(options), nullptr, [&] { return reader.next(); });
}

}  // namespace

int run_prompt(const CommandRequest& request, bool plain) {
  if (!plain) return run_prompt_over<SessionShell>(request);
  RemoteShell::Options options = plain_options(request);
  options.says_status = true;
  return run_prompt_over<RemoteShell>(std::move(options));
}

}  // namespace runwire
