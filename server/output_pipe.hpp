// The daemon's end of a command's stdout or stderr, or of its terminal: reads into a log, or hands on what comes, as
// long as there is room for it, and stops the child by back-pressure while there is none. With neither it reads and
// throws away, so that a background process that still writes is not killed by SIGPIPE.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "server/descriptor.hpp"
#include "server/output_log.hpp"
#include "server/uv_handle.hpp"

namespace runwire {

// How much a command may still write, over both of its streams.
struct OutputQuota {
  std::uint64_t left;
};

class OutputPipe {
 public:
  struct Events {
    std::function<void(std::size_t)> on_read;  // so many bytes came
    std::function<void()> on_eof;              // the last writer has closed it; the pipe is closed here, too
    std::function<void()> on_exceeded;         // bytes came that the quota did not allow; they are gone
  };

  // Where bytes go that are not kept.
  struct Relay {
    std::function<std::size_t()> room;  // how many are taken now; 0: none until resume()
    std::function<void(std::string_view)> hand_on;
  };

  OutputPipe(OutputStore& store, OutputQuota& quota, Events events);
  OutputPipe(const OutputPipe&) = delete;
  OutputPipe& operator=(const OutputPipe&) = delete;

  // Before open(): it is no pipe but the master of a terminal.
  void expect_terminal() { is_terminal_ = true; }

  // Takes ownership of `fd`, non-blocking, and starts to read into `log`, which stays alive until discard().
  void open(int fd, OutputLog& log);
  // The same, but hands on all that is read; the quota is not touched.
  void open(int fd, Relay relay);

  // As into a log, for a command that is likely to end soon, all of whose output is wanted only then: the loop is told
  // nothing of the pipe, and nothing is read, before read_held() or watch().
  void hold(int fd, OutputLog& log);
  void read_held();  // reads what is there; if that is not all, watches
  void watch();      // from here on as after open(); where it is not held, nothing

  bool is_open() const { return pipe_ != nullptr || held_.get() >= 0; }
  bool is_paused() const { return paused_; }
  int descriptor() const;          // -1 where it is not open
  bool has_bytes_waiting() const;  // written by the child and not yet read
  void resume();
  void discard();  // from here on nothing is kept
  void close();

 private:
  void open(int fd);
  OutputLog::Room next_room();
  void on_alloc(std::size_t suggested, uv_buf_t* room);
  void on_bytes(ssize_t count, const uv_buf_t* room);
  bool read_once();
  void on_no_room();
  void on_end();
  void keep(std::size_t bytes);
  void relay(std::string_view bytes);
  void took(std::size_t bytes);
  void widen();
  void narrow();
  void start_reading();

  OutputStore& store_;
  OutputQuota& quota_;
  Events events_;
  Descriptor held_;
  Handle<uv_pipe_t> pipe_;
  OutputLog* log_ = nullptr;  // this and relay_ null: discard
  std::optional<Relay> relay_;
  std::uint64_t taken_ = 0;  // kept or handed on
  MemoryLease wide_;         // held while the pipe is
  bool keeping_ = false;     // the read under way goes into log_
  bool paused_ = false;
  bool is_terminal_ = false;
};

}  // namespace runwire
