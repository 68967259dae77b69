// Starts libuv's pool before the first test, with SIGCHLD blocked: see make_native_spawner(). In runwired the spawner
// comes first; here a test may have used the pool before the next one makes a spawner.
#include <uv.h>

#include <cassert>
#include <csignal>

namespace {

bool start_pool() {
  sigset_t child, before;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  pthread_sigmask(SIG_BLOCK, &child, &before);
  uv_loop_t loop;
  uv_work_t nothing;
  bool started = uv_loop_init(&loop) == 0;
  started = started && uv_queue_work(
                           &loop, &nothing, [](uv_work_t*) {}, [](uv_work_t*, int) {}) == 0;
  started = started && uv_run(&loop, UV_RUN_DEFAULT) == 0 && uv_loop_close(&loop) == 0;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

[[maybe_unused]] const bool pool_started = start_pool();

}  // namespace
