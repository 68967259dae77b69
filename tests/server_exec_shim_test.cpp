#include <doctest/doctest.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "server/descriptor.hpp"
#include "server/exec_shim.hpp"

using namespace runwire;

namespace {

ChildSettings all_settings() {
  CommandLimits wish;
  wish.cpu_s = 1;
  wish.as_bytes = std::uint64_t{1} << 40;
  wish.nofile = 3;
  wish.nproc = 4;
  wish.fsize_bytes = 5;
  wish.core_bytes = 0;
  wish.nice = -20;
  wish.umask = 0777;
  ChildSettings settings = settings_for(wish, {});
  settings.takes_terminal = true;
  return settings;
}

std::optional<SpawnFailure> failure_in(std::string_view report) {
  Pipe pipe;
  REQUIRE(pipe.open_from_child() == 0);
  REQUIRE(write(pipe.write_end.get(), report.data(), report.size()) == static_cast<ssize_t>(report.size()));
  pipe.write_end = Descriptor();
  return read_shim_report(pipe.read_end.get());
}

}  // namespace

TEST_CASE("exec shim: all settings come back from their word as they were") {
  const ChildSettings before = all_settings();
  const auto after = settings_from_word(to_word(before));
  REQUIRE(after.has_value());
  CHECK(to_word(*after) == to_word(before));
  CHECK(after->limits == kResources);
  for (std::size_t i = 0; i < kResources; ++i) {
    CHECK(after->limit[i].resource == before.limit[i].resource);
    CHECK(after->limit[i].value.rlim_cur == before.limit[i].value.rlim_cur);
    CHECK(after->limit[i].value.rlim_max == before.limit[i].value.rlim_max);
  }
  CHECK(after->nice == -20);
  CHECK(after->umask == 0777);
  CHECK(after->takes_terminal);
}

TEST_CASE("exec shim: no settings are a word, too") {
  const auto none = settings_from_word(to_word({}));
  REQUIRE(none.has_value());
  CHECK(!none->is_any());
}

TEST_CASE("exec shim: a word that makes no sense is refused") {
  std::string too_many;
  for (std::size_t i = 0; i <= kResources; ++i) too_many += "limit:cpu 1 1 ";
  for (const std::string& word : {std::string("nice"), std::string("umask x"), std::string("limit:stack 1 1"),
                                  std::string("limit:cpu 1"), std::string("oops"), too_many}) {
    CAPTURE(word);
    CHECK(!settings_from_word(word));
  }
}

TEST_CASE("exec shim: only its own call is taken for one") {
  std::vector<std::string> call = shim_call(all_settings(), "/bin/true", {"true", ""});
  std::vector<char*> argv;
  for (std::string& word : call) argv.push_back(word.data());
  const int argc = static_cast<int>(argv.size());
  argv.push_back(nullptr);
  CHECK(is_shim_call(argc, argv.data()));
  CHECK(!is_shim_call(4, argv.data()));
  call[1] = "--listen";
  argv[1] = call[1].data();
  CHECK(!is_shim_call(argc, argv.data()));
  CHECK(!is_shim_call(0, argv.data()));
}

TEST_CASE("exec shim: a report names a stage and an errno; without one the command runs") {
  const auto failure = failure_in("limit:nofile 1");
  REQUIRE(failure.has_value());
  CHECK(failure->stage == "limit:nofile");
  CHECK(failure->error == UV_EPERM);
  CHECK(!failure_in("").has_value());
}
