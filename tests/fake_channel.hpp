// A client's byte channel without a socket: keeps what a session sends, and takes it only as fast as the test lets it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "server/byte_channel.hpp"

namespace runwire::test {

struct FakeChannel final : ByteChannel {
  void send(std::vector<std::string> pieces) override {
    ++sends;
    for (const std::string& piece : pieces) take(piece);
  }
  void send(SpillFile::Buffer bytes, std::size_t size) override {
    ++sends;
    take({bytes.get(), size});
  }
  void send_now(std::string_view head, std::string_view body) override {
    ++sends;
    take(head);
    take(body);
    if (on_send) on_send();
  }
  std::size_t unsent() const override { return waiting; }
  std::string peer() const override { return "a test"; }
  void await_quiet(unsigned ms) override { quiet_ms = ms; }
  void finish() override { finished = true; }
  void drop(std::string_view why) override { dropped = why; }

  // Lets the peer take so many bytes more; true when that was all, and the session is to be told.
  bool flow(std::size_t bytes) {
    waiting -= std::min(waiting, bytes);
    return waiting == 0;
  }

  void take(std::string_view bytes) {
    sent += bytes;
    if (blocked) waiting += bytes.size();
    most_waiting = std::max(most_waiting, waiting);
  }

  std::string sent;
  bool blocked = false;  // the peer takes nothing by itself
  std::size_t waiting = 0, most_waiting = 0;
  int sends = 0;
  std::function<void()> on_send;  // from within send_now()
  unsigned quiet_ms = 0;          // of the last await_quiet(); 0: none since the test has set it so
  bool finished = false;
  std::string dropped;
};

}  // namespace runwire::test
