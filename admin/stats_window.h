// Totals per database, and what they grew by in the last completed stats_period.
//
// What: two generations of totals, fed once per period; the averages of SHOW STATS are their difference. A database
// that is new in the period counts from zero; a total that went backwards counts as no growth. No division by zero:
// without a completed period, or without events, an average is 0. Units: microseconds and bytes, as PoolTotals.
// Threads: the control thread; `now` is an argument.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>

#include "proxy/control.h"

namespace admin {

using DatabaseTotals = std::map<std::string, proxy::PoolTotals, std::less<>>;

// Pools plus what removed pools had counted, of every database but the fallback "*" itself.
DatabaseTotals TotalsByDatabase(const proxy::Snapshot& snapshot);

struct Growth {
  proxy::PoolTotals totals;
  std::chrono::microseconds period{0};  // 0: no period has been completed
};

class StatsWindow {
 public:
  using Time = std::chrono::steady_clock::time_point;
  explicit StatsWindow(Time started_at) : newer_at_(started_at) {}

  void Feed(const proxy::Snapshot& snapshot, Time now);
  Growth GrowthOf(std::string_view database) const;
  Growth GrowthOfAll() const;

 private:
  DatabaseTotals older_, newer_;
  Time older_at_{}, newer_at_;
  bool has_period_ = false;
};

}  // namespace admin
