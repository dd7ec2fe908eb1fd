#include "admin/load_window.h"

#include <algorithm>
#include <numeric>
#include <set>

namespace admin {
namespace {

constexpr double kMost = 0.95;

uint64_t Grown(uint64_t before, uint64_t after) { return after > before ? after - before : 0; }

}  // namespace

uint64_t PoolLoad::WaitP95Us() const {
  const auto all = std::accumulate(waits.begin(), waits.end(), uint64_t{0});
  if (all == 0) return 0;
  const double rank = kMost * static_cast<double>(all);
  double below = 0;
  for (size_t i = 0; i < proxy::kHistogramBoundsUs.size(); ++i) {
    const auto here = static_cast<double>(waits[i]);
    if (here > 0 && below + here >= rank) {
      const double from = i == 0 ? 0.0 : static_cast<double>(proxy::kHistogramBoundsUs[i - 1]);
      const auto to = static_cast<double>(proxy::kHistogramBoundsUs[i]);
      return static_cast<uint64_t>(from + (to - from) * (rank - below) / here);
    }
    below += here;
  }
  return proxy::kHistogramBoundsUs.back();  // the last step has no end
}

PoolLoad LoadWindow::TotalsOf(const proxy::PoolRow& pool) {
  const proxy::PoolTotals& totals = pool.totals;
  return {.served = totals.server_assignments, .refused = totals.shed, .releases = totals.releases, .held_us = totals.held_us,
          .wait_us = totals.wait_us, .waits = totals.wait.buckets};
}

void LoadWindow::Feed(const proxy::Snapshot& snapshot, Time now) {
  std::set<Key> there;
  for (const proxy::PoolRow& pool : snapshot.pools) {
    const Key key(pool.database, pool.user);
    there.insert(key);
    auto& samples = pools_[key];
    if (samples.empty()) samples.push_back({fed_at_, {}});
    samples.push_back({now, TotalsOf(pool)});
    while (samples.size() > kLoadSamples) samples.pop_front();
  }
  std::erase_if(pools_, [&](const auto& entry) { return !there.contains(entry.first); });
  fed_at_ = now;
}

PoolLoad LoadWindow::LoadOf(const proxy::PoolRow& pool, Time now) const {
  const auto found = pools_.find({pool.database, pool.user});
  const Sample before = found == pools_.end() ? Sample{fed_at_, {}} : found->second.front();
  PoolLoad load = TotalsOf(pool);
  load.period = std::chrono::duration_cast<std::chrono::microseconds>(now - before.at);
  load.served = Grown(before.totals.served, load.served);
  load.refused = Grown(before.totals.refused, load.refused);
  load.releases = Grown(before.totals.releases, load.releases);
  load.held_us = Grown(before.totals.held_us, load.held_us);
  load.wait_us = Grown(before.totals.wait_us, load.wait_us);
  for (size_t i = 0; i < load.waits.size(); ++i) load.waits[i] = Grown(before.totals.waits[i], load.waits[i]);
  return load;
}

}  // namespace admin
