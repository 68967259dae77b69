// The program that goes on in this daemon's place.
//
// execve(2) keeps the process: its number, its children, its open descriptors. All else that the daemon knows is handed
// over as an image, bytes that only server/handover.hpp understands. Since there is no way back from a program that
// runs and then fails, the program is asked beforehand, as a child, whether it would understand such an image.
// As systemd's daemon-reexec, and nginx's upgrade on SIGUSR2.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proto/result.hpp"
#include "server/spawn.hpp"

namespace runwire {

inline constexpr unsigned kRehearsalMs = 10000;
inline constexpr int kRehearsedStatus = 83;  // what only a program that knows of all this says

class Successor {
 public:
  // As main() was given them. Where the program lies is found out now: later another one may lie there, and is meant.
  Successor(int argc, char** argv);
  ~Successor();
  Successor(const Successor&) = delete;
  Successor& operator=(const Successor&) = delete;

  // `done` is called, once, in a later turn. ERRORS: it could not be run, did not answer in time, or does not
  // understand; what it said is in the message. REQUIRES: none is under way; `spawner` and `loop` outlive the
  // Successor.
  void rehearse(uv_loop_t* loop, Spawner& spawner, std::string image, std::function<void(Status)> done);

  // Does not return where it succeeds. `descriptors` are those that the image names. ERRORS: all is as before.
  Status take_place(const std::string& image, const std::vector<int>& descriptors) const;

  const std::string& program() const { return program_; }

 private:
  class Rehearsal;

  std::string program_;
  std::vector<std::string> arguments_;
  std::unique_ptr<Rehearsal> rehearsal_;
};

// What the program was started for.
struct Handed {
  bool is_rehearsal = false;
  std::optional<std::string> image;  // absent: as usual, by a person or a service manager
};

// Asks the environment, and takes that word out of it. ERRORS: there is an image, and it cannot be read.
Result<Handed> handed_over();

}  // namespace runwire
