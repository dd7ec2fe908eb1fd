// What each pool had to do in the last minutes: the figures that SHOW ADVICE is made from.
//
// What: a sample of each pool's totals every kLoadSampleEvery, the last kLoadSamples of them; LoadOf is what has grown from the
// oldest one that is kept up to a snapshot of now. A pool that came in between counts from zero, from the sample before it.
// A total that went backwards (the pool was forgotten and made anew) counts as no growth. Units: microseconds.
// Threads: the control thread; `now` is an argument. Limits: kLoadSamples samples of about 250 bytes for each pool there is
// (kPoolsMax of proxy/pool_directory.h).
#pragma once

#include <array>
#include <chrono>
#include <deque>
#include <map>
#include <string>
#include <utility>

#include "proxy/control.h"

namespace admin {

inline constexpr std::chrono::seconds kLoadSampleEvery{30};
inline constexpr size_t kLoadSamples = 10;

struct PoolLoad {
  std::chrono::microseconds period{0};
  uint64_t served = 0;    // clients that got a server
  uint64_t refused = 0;   // shed: they came, too
  uint64_t releases = 0;  // servers given back,
  uint64_t held_us = 0;   // and how long they had been kept
  uint64_t wait_us = 0;   // of those that were served
  std::array<uint64_t, proxy::kHistogramBuckets> waits{};

  // So long waited 95 % of those served, at most; inside a step of the histogram as if they were spread evenly.
  uint64_t WaitP95Us() const;
};

class LoadWindow {
 public:
  using Time = std::chrono::steady_clock::time_point;
  explicit LoadWindow(Time started_at) : fed_at_(started_at) {}

  void Feed(const proxy::Snapshot& snapshot, Time now);
  PoolLoad LoadOf(const proxy::PoolRow& pool, Time now) const;

 private:
  using Key = std::pair<std::string, std::string>;
  struct Sample {
    Time at;
    PoolLoad totals;
  };
  static PoolLoad TotalsOf(const proxy::PoolRow& pool);

  std::map<Key, std::deque<Sample>> pools_;  // each begins with a zero of before the pool was there
  Time fed_at_;
};

}  // namespace admin
