// doctest itself with its main(), and its results as TAP (https://testanything.org) under `-r=tap`.
//
// One line for each test case, so that meson counts cases and not programs. What failed is told on stderr
// too: of a failing TAP test that is all meson shows.

// The tests are about signals and children: their dispositions must be those of any other program. And a
// crash is reported by the sanitizer, with its stack, before doctest would see it.
#define DOCTEST_CONFIG_NO_POSIX_SIGNALS
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <algorithm>
#include <iostream>
#include <sstream>
#include <string>

namespace {

class TapReporter : public doctest::IReporter {
 public:
  explicit TapReporter(const doctest::ContextOptions& options) : out_(*options.cout) {}

  void test_case_start(const doctest::TestCaseData& test) override { name_ = tap_name(test.m_name); }

  void test_case_end(const doctest::CurrentTestCaseStats& stats) override {
    out_ << (stats.testCaseSuccess ? "ok " : "not ok ") << ++count_ << " - " << name_ << std::endl;
  }

  // Also called for what the command line left out, which nobody wants to hear of.
  void test_case_skipped(const doctest::TestCaseData& test) override {
    if (test.m_skip) out_ << "ok " << ++count_ << " - " << tap_name(test.m_name) << " # SKIP" << std::endl;
  }

  void test_run_end(const doctest::TestRunStats&) override { out_ << "1.." << count_ << std::endl; }

  void log_assert(const doctest::AssertData& assertion) override {
    if (!assertion.m_failed) return;
    std::ostringstream text;
    text << doctest::assertString(assertion.m_at) << "( " << assertion.m_expr << " ) failed";
    if (assertion.m_threw)
      text << ", it threw: " << assertion.m_exception;
    else if (assertion.m_decomp.size() > 0)
      text << ", it was: " << assertion.m_decomp;
    diagnose(assertion.m_file, assertion.m_line, text.str());
  }

  void log_message(const doctest::MessageData& message) override {
    diagnose(message.m_file, message.m_line, message.m_string.c_str());
  }

  void test_case_exception(const doctest::TestCaseException& exception) override {
    diagnose_text(std::string("the test case threw: ") + exception.error_string.c_str());
  }

  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_case_reenter(const doctest::TestCaseData&) override { subcases_.clear(); }
  void subcase_start(const doctest::SubcaseSignature& subcase) override {
    subcases_ += std::string(" / ") + subcase.m_name.c_str();
  }
  void subcase_end() override { subcases_.erase(std::min(subcases_.size(), subcases_.rfind(" / "))); }

 private:
  // TAP would read a '#' as the start of a directive.
  static std::string tap_name(std::string name) {
    std::replace(name.begin(), name.end(), '#', ' ');
    return name;
  }

  void diagnose(const char* file, int line, const std::string& what) {
    diagnose_text(std::string(file) + ":" + std::to_string(line) + ": " + what);
  }

  void diagnose_text(const std::string& what) {
    std::ostringstream text;
    text << name_ << subcases_ << "\n  " << what;
    const auto* const* contexts = doctest::IReporter::get_active_contexts();
    for (int i = 0; i < doctest::IReporter::get_num_active_contexts(); ++i) {
      text << "\n  logged: ";
      contexts[i]->stringify(&text);
    }
    std::istringstream lines(text.str());
    for (std::string line; std::getline(lines, line);) {
      out_ << "# " << line << std::endl;
      std::cerr << line << std::endl;
    }
  }

  std::ostream& out_;  // doctest's, outlives every reporter
  std::string name_;
  std::string subcases_;  // those that are open, each after " / "
  int count_ = 0;
};

REGISTER_REPORTER("tap", 0, TapReporter);

}  // namespace
