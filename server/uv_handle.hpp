// Ownership of libuv handles. The only file that calls uv_close().
//
// A Handle is a unique_ptr whose destruction *starts* the close; the memory is freed by libuv's close callback,
// in a later turn of the loop, so the owner may die first. deliver<> hands a callback to the owner's method and
// drops it where the owner has gone (data == nullptr): no callback ever sees a dangling owner.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace runwire {

template <class H> uv_handle_t* as_handle(H* handle) { return reinterpret_cast<uv_handle_t*>(handle); }
template <class H> uv_stream_t* as_stream(H* handle) { return reinterpret_cast<uv_stream_t*>(handle); }

template <class H> void close_and_free(H* handle) {
  uv_close(as_handle(handle), [](uv_handle_t* closed) { delete reinterpret_cast<H*>(closed); });
}

template <class H> struct Closer {
  void operator()(H* handle) const noexcept {
    handle->data = nullptr;
    close_and_free(handle);
  }
};

template <class H> using Handle = std::unique_ptr<H, Closer<H>>;

// Allocates a handle and initializes it by `init(handle)`, a call of uv_*_init(); `owner` receives its events
// and must outlive the Handle. Empty where init fails: such a handle must not be closed.
template <class H, class Init> Handle<H> make_handle(void* owner, Init init) {
  auto block = std::make_unique<H>();
  if (init(block.get()) != 0) return nullptr;
  block->data = owner;
  return Handle<H>(block.release());
}

inline Handle<uv_timer_t> make_timer(uv_loop_t* loop, void* owner) {
  return make_handle<uv_timer_t>(owner, [loop](uv_timer_t* timer) { return uv_timer_init(loop, timer); });
}

template <class Owner, class... Args>
Owner* owner_of(void (Owner::*)(Args...));  // unevaluated: method -> its class

// The libuv callback that calls `Method` of the handle's owner.
template <auto Method, class H, class... Args> void deliver(H* handle, Args... args) {
  if (auto* owner = static_cast<decltype(owner_of(Method))>(handle->data)) (owner->*Method)(args...);
}

// Runs a function once this turn of the loop is over, when no callback's code is on the stack any more.
class AfterTurn {
 public:
  AfterTurn(uv_loop_t* loop, std::function<void()> action)
      : action_(std::move(action)),
        check_(
            make_handle<uv_check_t>(this, [loop](uv_check_t* check) { return uv_check_init(loop, check); })),
        wake_(make_handle<uv_idle_t>(this, [loop](uv_idle_t* idle) { return uv_idle_init(loop, idle); })) {}
  AfterTurn(const AfterTurn&) = delete;
  AfterTurn& operator=(const AfterTurn&) = delete;

  void arm() {
    // A check callback runs after the poll phase; the idle handle keeps that poll from waiting.
    uv_check_start(check_.get(), deliver<&AfterTurn::on_turn_over>);
    uv_idle_start(wake_.get(), [](uv_idle_t*) {});
  }

 private:
  void on_turn_over() {
    uv_check_stop(check_.get());
    uv_idle_stop(wake_.get());
    action_();
  }

  std::function<void()> action_;
  Handle<uv_check_t> check_;
  Handle<uv_idle_t> wake_;
};

// Things an owner has given up, perhaps inside a callback of their own; destroyed when the turn is over.
template <class T> class RetireList {
 public:
  explicit RetireList(uv_loop_t* loop) : after_turn_(loop, [this] { std::exchange(retired_, {}).clear(); }) {}

  void add(std::unique_ptr<T> retired) {
    retired_.push_back(std::move(retired));
    after_turn_.arm();
  }

 private:
  std::vector<std::unique_ptr<T>> retired_;
  AfterTurn after_turn_;
};

}  // namespace runwire
