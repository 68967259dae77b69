// One client's connection: a stream, what is on its way out, and the conversation that it carries. The first byte
// decides which kind that is.
//
// `state` only moves forward, and only enter() moves it. A Connection never frees itself: when it is closed it says
// so, and the Server frees it after the turn.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "server/byte_channel.hpp"
#include "server/descriptor.hpp"
#include "server/frame_session.hpp"
#include "server/peer.hpp"
#include "server/plain_session.hpp"
#include "server/uv_handle.hpp"
#include "server/wind_up.hpp"

namespace runwire {

// An accepted stream of either kind.
using Stream = std::variant<Handle<uv_tcp_t>, Handle<uv_pipe_t>>;
uv_stream_t* raw(const Stream& stream);
// Of a connected socket, which it takes ownership of.
Stream open_stream(uv_loop_t* loop, int descriptor);
int descriptor_of(const Stream& stream);

inline constexpr unsigned kFinishMs =
    1000;  // how long a finished connection waits for its peer to close, too
inline constexpr unsigned kWatchMs =
    250;  // how often a half-closed client is asked whether it is still there

class Connection final : private ByteChannel {
 public:
  struct Context {
    JobTable& jobs;
    KeptJobs& kept;
    OutputStore& store;
    MemoryBudget& requests;
    MemoryBudget& inputs;
    std::size_t max_replies;
    const ServerHello& hello;
    std::function<void(ConnectionId)> closed;                         // called once, last: retire it
    std::function<void(ConnectionId, std::string_view why)> refused;  // for the log
  };

  // REQUIRES: everything in `context` outlives the connection.
  Connection(ConnectionId id, Stream stream, Context& context);
  ~Connection() override = default;

  void start();
  // Says `error` to the peer and finishes; nothing that it sends is looked at.
  void turn_away(const ErrorReply& error);

  void command_finished(JobId id, JobResult result);
  void wind_up(WindUp why = WindUp::shutdown);
  void close() { enter(State::closed); }
  // The last word before close(), in a session; as long as it can be said.
  void say_farewell(WindUp why);
  // The peer has said nothing, so that somebody else may go on with it: the descriptor is the caller's, and this one
  // closes. ERRORS: there is none left for that; this one stays.
  bool is_silent() const { return state_ == State::open && !has_spoken_ && !eof_; }
  Result<Descriptor> take_descriptor();
  ConnectionId id() const { return id_; }

 private:
  enum class State { open, finishing, closed };
  enum class Alarm { none, quiet, watch, finish };
  struct Write;

  void send(std::vector<std::string> pieces) override;
  void send(SpillFile::Buffer bytes, std::size_t size) override;
  void send_now(std::string_view head, std::string_view body) override;
  std::size_t unsent() const override;
  std::string peer() const override { return peer_name(descriptor_of(stream_)); }
  void await_quiet(unsigned ms) override { set_alarm(Alarm::quiet, ms); }
  void finish() override { enter(State::finishing); }
  void drop(std::string_view why) override;

  void on_alloc(std::size_t suggested, uv_buf_t* room);
  void on_read(ssize_t count, const uv_buf_t* bytes);
  void on_written(int status);
  void on_alarm();
  void fall_quiet();

  void receive(std::string_view bytes);
  void hear();
  void hush_if_due();
  void hear_next_turn();
  void write(std::unique_ptr<Write> whole);
  void queue(std::unique_ptr<Write> whole);
  void end_of_input();
  void watch_peer();
  void set_alarm(Alarm alarm, unsigned ms);
  void say_goodbye();
  void enter(State next);

  const ConnectionId id_;
  Stream stream_;
  Context& context_;
  State state_ = State::open;
  bool eof_ = false;      // the peer sends no more
  bool goodbye_ = false;  // our FIN is out
  Alarm alarm_ = Alarm::none;
  Handle<uv_timer_t> timer_;  // made when first needed: most connections are idle
  bool has_spoken_ = false;   // the peer
  bool is_hushed_ = false;    // it is not read from, until hear()
  std::unique_ptr<AfterTurn> next_turn_;
  PlainSession plain_;
  std::unique_ptr<FrameSession> frames_;  // instead of plain_, from the first byte on
};

}  // namespace runwire
