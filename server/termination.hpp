// The end of a command that does not end by itself: TERM to all of it, KILL after a grace, and a look at what is left.
//
// A plain command is its process group. One with a mark is all its processes, wherever they went; nobody tells when
// the last of them is gone, so that is looked at now and then.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <optional>

#include "server/process_table.hpp"
#include "server/process_tree.hpp"
#include "server/uv_handle.hpp"

namespace runwire {

class Termination {
 public:
  enum class Reach { group, all };
  // How far it has come, for another one to go on from. Times are uv_hrtime() in ms.
  struct Image {
    bool has_begun = false;
    int kills = 0;
    std::optional<std::uint64_t> kill_due_ms = {};  // while it is under way
    std::optional<std::int64_t> survivors = {};
  };

  // `on_over` is called, once, when is_under_way() has become false again; perhaps within look(). REQUIRES: `tree` and
  // `processes` outlive the Termination.
  Termination(uv_loop_t* loop, ProcessTree& tree, ProcessTable& processes, Reach reach,
              std::function<void()> on_over);
  Termination(const Termination&) = delete;
  Termination& operator=(const Termination&) = delete;

  // TERM at once, KILL after `grace_ms`. Of several calls the earliest KILL counts.
  void begin(unsigned grace_ms);
  Image image() const;
  void go_on(const Image& image);  // instead of begin(), in a program that has taken another one's place
  void child_started();            // it was told to end before there was anybody to tell

  bool is_under_way() const { return timer_ != nullptr; }
  bool is_over() const { return has_begun_ && !is_under_way(); }
  bool reaches_all() const { return reach_ == Reach::all; }

  // The leader has gone and nothing of it is to be waited for: from now on looks whether anything is left.
  void look();

  // How many processes could not be ended; absent while it is under way, and where only the group was ended.
  std::optional<std::int64_t> survivors() const { return survivors_; }

 private:
  void on_time();
  std::size_t signal(int number);
  std::size_t count() const;
  void kill();
  void start_timer(std::uint64_t ms);
  void conclude(std::size_t left);

  uv_loop_t* loop_;  // outlives us
  ProcessTree& tree_;
  ProcessTable& processes_;
  const Reach reach_;
  std::function<void()> on_over_;
  bool has_begun_ = false;
  int kills_ = 0;
  std::uint64_t kill_due_ms_ = 0;  // loop time; while there is a timer_
  Handle<uv_timer_t> timer_;
  std::optional<std::int64_t> survivors_;
};

}  // namespace runwire
