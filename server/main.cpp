// runwired: wires the parts and runs the loop.
#include <uv.h>

#include <cstdio>
#include <utility>

#include "server/inheritance.hpp"
#include "server/options.hpp"
#include "server/server.hpp"
#include "server/spawn.hpp"

namespace {

// Runs until the server stops, then until every handle is closed.
int serve(runwire::Options options) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  runwire::Status status = runwire::Ok{};
  {
    const auto spawner = runwire::make_uv_spawner(&loop);
    runwire::Server server(&loop, *spawner, std::move(options));
    status = server.start();
    if (status) uv_run(&loop, UV_RUN_DEFAULT);
  }
  uv_run(&loop, UV_RUN_DEFAULT);
  if (uv_loop_close(&loop) != 0) runwire::log::error("loop-not-empty");
  if (status) return 0;
  std::fprintf(stderr, "runwired: %s\n", status.error().message.c_str());
  return status.error().code == runwire::Errc::invalid_argument ? runwire::kExitUsage : runwire::kExitFailure;
}

}  // namespace

int main(int argc, char** argv) {
  runwire::Invocation invocation = runwire::parse_command_line(argc, argv);
  if (!invocation.options) return invocation.exit_status;
  runwire::tidy_inheritance();
  runwire::log::set_level(invocation.options->log_level);
  return serve(std::move(*invocation.options));
}
