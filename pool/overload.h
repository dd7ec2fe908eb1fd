// Whether a queue of waiters is overloaded, and which of them must go.
//
// What: CoDel's judgement with another rate. A queue is overloaded when everybody who was handed a server during a whole
// `interval` had waited longer than `target`: a burst ends sooner, a standing queue does not. From then on whoever has waited
// longer than `target` is shed, oldest first, until somebody is served within half of it or the queue is empty.
// Why not CoDel's own rate (interval / sqrt(n)): it relies on senders that slow down when they lose a packet. Clients do not:
// of 26,000 questions a second against a capacity of 20,000 it sheds 100 in the first 20 s, where 120,000 are too many. The
// bound on the wait sheds just the excess, whatever the load. Why not the newest first (adaptive LIFO): it answers as many in
// time, but in no order, and the oldest wait out the whole bound for nothing. tests/sim/shed_laws.cc counts all of them.
//
// Law
//  1. A queue that is no longer than the pool is never judged nor shed: it is gone after one transaction each, as CoDel
//     lets one packet stand.
//  2. Evidence counts from the moment the caller names: after a stall, and while the pool is still growing, it starts anew.
//  3. Nothing happens between two completions: a backend that does not answer is failure, not overload.
// Threads: guarded by the pool's mutex. Units: microseconds. Limits: kShedAtOnce at a time, so that the mutex is held shortly.
#pragma once

#include <cstddef>

#include "pool/time.h"

namespace pool {

inline constexpr int kShedAtOnce = 64;

inline constexpr Duration kTargetByPatience{-1};  // see patience.h

struct OverloadLimits {
  Duration target{0};  // 0 = nobody is ever shed; kTargetByPatience is not for Overload: its caller finds the time
  Duration interval{1'000'000};
};

class Overload {
 public:
  // Somebody is handed a server now after waiting for so long. `is_long`: more are waiting than the pool has servers.
  void OnHanded(Duration waited, bool is_long, TimePoint now, const OverloadLimits& limits);
  bool MustShed(Duration waited, bool is_long, const OverloadLimits& limits) const {
    return is_shedding_ && is_long && waited > limits.target;
  }
  // What was seen until now says nothing about what comes.
  void Forget() { *this = Overload(); }
  bool is_shedding() const { return is_shedding_; }

 private:
  bool is_shedding_ = false;
  TimePoint above_since_ = kNever;  // kNever: the last one was served in time
};

}  // namespace pool
