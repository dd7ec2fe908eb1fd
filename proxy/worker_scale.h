// How many workers the load needs: as few as carry it with ease.
//
// Why: what one worker has ready in one turn leaves together and shares its system calls; spread over several, each turn has less, each
// wakes for itself, and servers go from one to the other. With all of 4 in use the same load cost 1.5 times the CPU of one
// (tests/bench/workers). So a worker comes into use when another is busy, not before.
// The rule: is one busy for kBusyShare of the time, there are to be so many that each is at kAimedShare. Less than kSpareShare of all but
// one for kSpareFor: there is to be one less. The shares are so far apart that neither answers the other: right after the first, the
// second does not hold, and right after the second the first does not. One connection alone that fills a worker (a COPY) cannot be
// spread, and makes for one or two more. Where the CPUs are taken by others, a worker is not busy, it waits; and more of them would not
// get more.
// Threads: one. Time comes in as arguments.
#pragma once

#include <cstdint>
#include <span>

#include "pool/time.h"

namespace proxy {

inline constexpr double kBusyShare = 0.7, kAimedShare = 0.5, kSpareShare = 0.35;
inline constexpr pool::Duration kSpareFor{2'000'000};

class WorkerScale {
 public:
  WorkerScale(uint32_t least, uint32_t most) : most_(most) { SetLeast(least); }
  // More than there are: all. Where that is new, it begins anew with so many, and is true.
  bool SetLeast(uint32_t least);
  // used: the CPU time of each worker in the last `elapsed`. How many are to be in use.
  uint32_t Look(std::span<const pool::Duration> used, pool::Duration elapsed);
  uint32_t in_use() const { return in_use_; }
  bool is_fixed() const { return least_ == most_; }  // all are always in use

 private:
  const uint32_t most_;
  uint32_t least_ = 0, in_use_ = 0;
  pool::Duration spare_for_{};
};

}  // namespace proxy
