// The daemon's end of a command's stdin: takes bytes at any time, and gives them on as fast as the command reads.
// What waits here is bounded by whoever writes, who is told when bytes have left.
#pragma once

#include <uv.h>

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "server/uv_handle.hpp"

namespace runwire {

class InputPipe {
 public:
  struct Events {
    std::function<void(std::size_t)> on_taken;  // so many bytes are in the pipe
    std::function<void()> on_closed;            // the command reads no more; what waits or comes is dropped
  };

  // What is left to be done, for a program that goes on with the same pipe in this one's place.
  struct Rest {
    std::string bytes = {};  // not yet in the pipe
    bool is_at_end = false;
    bool is_within_a_line = false;  // what is in the pipe ends there
    bool tells_end = false;         // `bytes` are what a terminal takes for the end
  };

  InputPipe(uv_loop_t* loop, Events events);
  InputPipe(const InputPipe&) = delete;
  InputPipe& operator=(const InputPipe&) = delete;

  // Takes ownership of `fd`, non-blocking; what was written before goes out first.
  void open(int fd, bool is_terminal = false);
  void write(std::string_view bytes);
  // No more comes: the command reads an end behind what was written; at a terminal, if that knows one (see
  // end_of_input()).
  void end();
  void close();  // at once; nothing is told any more

  int descriptor() const;  // -1: none, or not any more
  Rest rest() const;
  std::size_t untold() const;    // what is in the pipe, and not yet said to on_taken
  void go_on(const Rest& rest);  // there, before open()

 private:
  enum class State { early, open, closed };
  struct Write;

  std::size_t put_now(std::string_view bytes);
  void put_later();
  void on_written(int status, std::size_t bytes);
  void settle();
  void tell_end();
  void break_off();
  std::string unsent() const;

  uv_loop_t* loop_;  // outlives us
  Events events_;
  State state_ = State::early;
  Handle<uv_pipe_t> pipe_;
  std::string waiting_;         // not yet given to libuv
  Write* under_way_ = nullptr;  // libuv's; null where there is none, or it is of no use any more
  bool at_end_ = false;
  bool is_terminal_ = false;
  bool is_within_a_line_ = false;
  bool tells_end_ = false;  // the write under way is what a terminal takes for the end
};

}  // namespace runwire
