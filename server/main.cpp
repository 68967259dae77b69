// runwired: wires the parts and runs the loop.
#include <uv.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "server/exec_shim.hpp"
#include "server/inheritance.hpp"
#include "server/log.hpp"
#include "server/options.hpp"
#include "server/server.hpp"
#include "server/spawn.hpp"
#include "server/start_up_pages.hpp"
#include "server/successor.hpp"
#include "server/upgrade_request.hpp"

namespace {

std::unique_ptr<runwire::Spawner> make_spawner(uv_loop_t* loop, runwire::SpawnerChoice choice) {
  auto native = choice == runwire::SpawnerChoice::uv ? nullptr : runwire::make_native_spawner(loop);
  return native ? std::move(native) : runwire::make_uv_spawner(loop, runwire::own_executable());
}

// With --lead group a command shares our session, and so the terminal of whoever started us, if there is one.
runwire::Status may_lead_groups(const runwire::Spawner& spawner) {
  if (!spawner.can_lead_group())
    return runwire::Error{
        runwire::Errc::invalid_argument,
        "--lead group: only the native spawner can do that, which is Linux's; leave --lead out"};
  const int error = runwire::error_of_own_terminal();
  if (error == ENXIO) return runwire::Ok{};
  const std::string why = error == 0
                              ? "every command could read and write the terminal that runwired was started at"
                              : "it cannot be told whether runwired has a terminal: /dev/tty: " +
                                    std::string(std::strerror(error));
  return runwire::Error{
      runwire::Errc::invalid_argument,
      "--lead group: " + why + "; start it with setsid(1), as a service, or without --lead"};
}

runwire::Status serve(uv_loop_t* loop, runwire::Options options, int argc, char** argv,
                      std::optional<runwire::Handover> handover) {
  const auto spawner = make_spawner(loop, options.spawner);
  // A successor has no way back: the program before it has asked already.
  if (!options.leads_session && !handover) RUNWIRE_TRY(may_lead_groups(*spawner));
  runwire::Status status = runwire::Ok{};
  {
    runwire::Successor successor(argc, argv);
    runwire::Server server(loop, *spawner, std::move(options), &successor, std::move(handover));
    status = server.start();
    if (status) runwire::give_back_start_up_pages();
    if (status) uv_run(loop, UV_RUN_DEFAULT);
  }
  uv_run(loop, UV_RUN_DEFAULT);  // until what the server had open is closed
  return status;
}

// What another program of this process has left, if it was one.
runwire::Result<std::optional<runwire::Handover>> read(const runwire::Handed& handed) {
  if (!handed.image) return std::optional<runwire::Handover>();
  auto handover = runwire::from_image(*handed.image);
  if (!handover) return handover.error();
  return std::optional(std::move(*handover));
}

int exit_status(const runwire::Status& status) {
  if (status) return 0;
  std::fprintf(stderr, "runwired: %s\n", status.error().message.c_str());
  return status.error().code == runwire::Errc::invalid_argument ? runwire::kExitUsage : runwire::kExitFailure;
}

}  // namespace

int main(int argc, char** argv) {
  if (runwire::is_shim_call(argc, argv)) return runwire::run_shim(argv);
  const auto handed = runwire::handed_over();
  if (!handed) return exit_status(handed.error());
  runwire::Invocation invocation = runwire::parse_command_line(argc, argv);
  if (!invocation.options) return invocation.exit_status;
  if (invocation.options->upgrades) return exit_status(runwire::ask_for_upgrade(*invocation.options));
  auto handover = read(*handed);
  if (!handover) return exit_status(handover.error());
  if (handed->is_rehearsal) return runwire::kRehearsedStatus;
  runwire::tidy_inheritance();
  runwire::log::set_level(invocation.options->log_level);
  uv_loop_t loop;
  if (uv_loop_init(&loop) != 0) return runwire::kExitFailure;
  runwire::hold_signals(true);  // until somebody hears them
  const runwire::Status status =
      serve(&loop, std::move(*invocation.options), argc, argv, std::move(*handover));
  uv_run(&loop, UV_RUN_DEFAULT);
  if (uv_loop_close(&loop) != 0) runwire::log::error("loop-not-empty");
  return exit_status(status);
}
