// How long clients wait before they give up by themselves: what a pool needs to know to shed in time (queue_target = "auto").
//
// What: told of everybody who left the queue by itself (closed the connection, cancelled), it keeps a low estimate of their
// patience: down quickly, up slowly, so about one in twenty is less patient. Target is a quarter of it, and nothing (0) while
// fewer than kLeaversLeast have left, or none for kPatienceKept: where clients wait as long as it takes, nobody is ever shed.
// Shedding keeps the estimate alive, for it is the reason why nobody has to leave any more.
// Why a quarter: who is answered has waited for the target and a little more, then its query runs; and CoDel needs its interval to
// see that the queue stands. tests/sim/load_test.cc has the figures.
// Threads: guarded by the pool's mutex. Units: microseconds.
#pragma once

#include "pool/time.h"

namespace pool {

inline constexpr int kLeaversLeast = 5;
inline constexpr Duration kPatienceKept{30'000'000};
inline constexpr Duration kLeavesByChance{20'000};  // who waits no longer has not lost patience: its connection just ended

class Patience {
 public:
  void OnLeft(Duration waited, TimePoint now);
  void OnShed(TimePoint now) { last_sign_ = now; }
  Duration Target(TimePoint now) const;

 private:
  int leavers_ = 0;
  Duration estimate_{0};
  TimePoint last_sign_{};
};

}  // namespace pool
