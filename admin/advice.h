// How large a pool should be for what it had to do: the judgement behind SHOW ADVICE.
//
// What: load = clients that come in a second x the time that each keeps a server, in servers. The right size is the smallest
// with which 95 % wait no longer than the target, as the M/M/c queue says (pool/erlang.h). The model knows no end of clients
// and no bursts, so that what was measured has the last word: nothing is raised while nobody waits, and a wait that the size
// does not explain is said to be one. The target is kAdviceTargetUs, or kAdviceTargetShare of the time that a server is kept
// where that is more: who needs a second does not mind a tenth of it.
// Threads: pure functions. Limits: less than kAdviceLeast clients is too little to say; sizes are looked for up to kAdviceSizeMax.
#pragma once

#include <optional>
#include <string>

#include "admin/load_window.h"

namespace admin {

inline constexpr double kAdviceTargetUs = 10'000;
inline constexpr double kAdviceTargetShare = 0.1;
inline constexpr uint64_t kAdviceLeast = 100;
inline constexpr int kAdviceSizeMax = 100'000;
inline constexpr double kAdviceFull = 0.95;  // a pool that is used so much keeps clients from coming: more would, to a larger one

// What a pool may have.
struct PoolBounds {
  int size = 0, min_size = 0, reserve = 0;
  int database_cap = 0, user_cap = 0;  // 0 = none
};

struct Advice {
  double rate = 0, hold_us = 0, load = 0, use = 0;  // use: of the pool, 1 = all
  double target_us = kAdviceTargetUs;
  std::optional<double> wait_us, wait_p95_us;                    // expected at this size; nullopt: without bound
  std::optional<int> size;                                       // the right one; nullopt: too little to say
  std::optional<double> advised_wait_p95_us;
  std::string text;
};

Advice Advise(const PoolLoad& load, const PoolBounds& bounds);

}  // namespace admin
