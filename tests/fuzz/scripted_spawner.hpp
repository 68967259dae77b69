// Children whose every move is a script's: no process, only the pipes, or the terminal. They have no pid, so nothing is ever signalled.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/descriptor.hpp"
#include "server/pty.hpp"
#include "server/spawn.hpp"
#include "tests/fuzz/require.hpp"

namespace runwire::fuzz {

class ScriptedSpawner final : public Spawner {
 public:
  struct Puppet {
    ChildEvents* events = nullptr;   // null once it has ended, or its Child was given up
    Descriptor in;                   // the read end of its stdin, or its terminal
    std::array<Descriptor, 2> ends;  // the write ends of its stdout and stderr; or its terminal, and none

    void end() {
      in = Descriptor();
      ends[0] = Descriptor();
      ends[1] = Descriptor();
    }
  };

  std::unique_ptr<Child> spawn(const SpawnSpec& spec, ChildEvents& events) override {
    const std::size_t number = puppets.size();
    puppets.push_back(std::make_unique<Puppet>());
    Puppet& puppet = *puppets.back();
    puppet.events = &events;
    events.child_started(0, spec.terminal ? open_terminal(puppet, spec) : open_pipes(puppet, spec));
    return std::make_unique<Strings>(*this, number);
  }

  void exit(std::size_t number, ExitStatus status) {
    if (ChildEvents* events = take_events(number)) events->child_exited({status, false, {}});
  }
  void fail(std::size_t number) {
    if (ChildEvents* events = take_events(number)) events->child_failed({"exec", UV_ENOENT, "/none"});
  }

  std::vector<std::unique_ptr<Puppet>> puppets;

 private:
  // What the daemon holds of a child; with it goes whoever would hear of the child's end.
  class Strings final : public Child {
   public:
    Strings(ScriptedSpawner& spawner, std::size_t number) : spawner_(spawner), number_(number) {}
    ~Strings() override { spawner_.puppets[number_]->events = nullptr; }

   private:
    ScriptedSpawner& spawner_;
    const std::size_t number_;
  };

  static ChildStreams open_pipes(Puppet& puppet, const SpawnSpec& spec) {
    int out[2], err[2];
    const int in = spec.takes_stdin ? open_stdin(puppet) : -1;
    require(pipe2(out, O_CLOEXEC | O_NONBLOCK) == 0 && pipe2(err, O_CLOEXEC | O_NONBLOCK) == 0,
            "pipes are to be had");
    puppet.ends = {Descriptor(out[1]), Descriptor(err[1])};
    return {in, out[0], err[0]};
  }

  static ChildStreams open_terminal(Puppet& puppet, const SpawnSpec& spec) {
    Pty pty;
    require(pty.open(*spec.terminal) == 0, "a terminal is to be had");
    fcntl(pty.slave.get(), F_SETFL, O_RDWR | O_NONBLOCK);
    puppet.in = Descriptor(fcntl(pty.slave.get(), F_DUPFD_CLOEXEC, 0));
    puppet.ends = {std::move(pty.slave), Descriptor()};
    const int in = spec.takes_stdin ? fcntl(pty.master.get(), F_DUPFD_CLOEXEC, 0) : -1;
    return {in, pty.master.release(), -1};
  }

  static int open_stdin(Puppet& puppet) {
    int ends[2];
    require(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0, "pipes are to be had");
    puppet.in = Descriptor(ends[0]);
    return ends[1];
  }

  ChildEvents* take_events(std::size_t number) {
    Puppet& puppet = *puppets[number];
    ChildEvents* events = puppet.events;
    puppet.events = nullptr;
    return events;
  }
};

}  // namespace runwire::fuzz
