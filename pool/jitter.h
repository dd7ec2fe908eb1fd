// Chance in the pauses of the pool: nobody shall come back at the same moment as everybody else.
//
// Threads: pure; the generator is its owner's.
#pragma once

#include <random>

#include "pool/time.h"

namespace pool {

// In [0, 1).
inline double UnitRandom(std::minstd_rand& random) {
  constexpr auto kLeast = std::minstd_rand::min(), kMost = std::minstd_rand::max();
  return static_cast<double>(random() - kLeast) / static_cast<double>(kMost - kLeast + 1);
}

// Shorter by up to a quarter. unit_random in [0, 1).
inline Duration Jittered(Duration pause, double unit_random) {
  return pause - Duration(static_cast<Duration::rep>(static_cast<double>(pause.count()) * 0.25 * unit_random));
}

}  // namespace pool
