// Reproducible randomness for simulations: the same seed gives the same run with every compiler and standard library.
//
// What: splitmix64 with a few shapes of answer; std's distributions are not used because their results differ by
// library. Threads: none of its own.
#pragma once

#include <cstdint>

#include "pool/time.h"

namespace sim {

class Dice {
 public:
  // The seed is mixed too: neighbouring ones would give the same numbers, shifted by one draw.
  explicit Dice(uint64_t seed) : state_(Mixed(seed + 0x1234567u)) {}

  uint64_t Next() { return Mixed(state_ += 0x9e3779b97f4a7c15u); }
  uint64_t Below(uint64_t bound) { return Next() % bound; }
  int Between(int least, int most) {
    return least + static_cast<int>(Below(static_cast<uint64_t>(most) - static_cast<uint64_t>(least) + 1));
  }
  bool Percent(int chance) { return Below(100) < static_cast<uint64_t>(chance); }
  pool::Duration UpTo(pool::Duration most) {
    return pool::Duration(static_cast<pool::Duration::rep>(Below(static_cast<uint64_t>(most.count()) + 1)));
  }

 private:
  static uint64_t Mixed(uint64_t bits) {
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
    return bits ^ (bits >> 31);
  }
  uint64_t state_;
};

}  // namespace sim
