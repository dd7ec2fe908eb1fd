// Counters and histograms: bucket edges, sums over workers, merging.
#include "proxy/counters.h"

#include <gtest/gtest.h>

#include <vector>

namespace proxy {
namespace {

size_t BucketOf(uint64_t us) {
  Histogram histogram;
  histogram.Observe(us);
  HistogramTotals totals;
  histogram.AddTo(totals);
  EXPECT_EQ(totals.count, 1u);
  EXPECT_EQ(totals.sum_us, us);
  size_t found = kHistogramBuckets;
  for (size_t i = 0; i < kHistogramBuckets; ++i) {
    if (totals.buckets[i] == 1) found = i;
  }
  return found;
}

TEST(HistogramTest, BoundsAreInclusiveAndTheLastBucketIsOpen) {
  EXPECT_EQ(BucketOf(0), 0u);
  for (size_t i = 0; i < kHistogramBoundsUs.size(); ++i) {
    EXPECT_EQ(BucketOf(kHistogramBoundsUs[i] - 1), i);
    EXPECT_EQ(BucketOf(kHistogramBoundsUs[i]), i);
    EXPECT_EQ(BucketOf(kHistogramBoundsUs[i] + 1), i + 1);
  }
  EXPECT_EQ(BucketOf(uint64_t{1} << 60), kHistogramBuckets - 1);
}

TEST(HistogramTest, BoundsRise) {
  for (size_t i = 1; i < kHistogramBoundsUs.size(); ++i) EXPECT_GT(kHistogramBoundsUs[i], kHistogramBoundsUs[i - 1]);
}

TEST(HistogramTest, MergeAddsEverything) {
  Histogram a, b;
  a.Observe(100);
  a.Observe(300);
  b.Observe(300);
  b.Observe(90'000'000);
  HistogramTotals first, second;
  a.AddTo(first);
  b.AddTo(second);
  first.Merge(second);
  EXPECT_EQ(first.count, 4u);
  EXPECT_EQ(first.sum_us, 90'000'700u);
  EXPECT_EQ(first.buckets[0], 1u);
  EXPECT_EQ(first.buckets[2], 2u);
  EXPECT_EQ(first.buckets[kHistogramBuckets - 1], 1u);
}

TEST(CounterTest, AddsAndSubtracts) {
  Counter counter;
  counter.Add(5);
  counter.Subtract(2);
  EXPECT_EQ(counter.Get(), 3u);
}

// Every field has a value of its own, so that a forgotten or exchanged one shows.
TEST(PoolTotalsTest, AddToAndMergeForgetNoField) {
  PoolCounters counters;
  counters.server_assignments.Add(1);
  counters.transactions.Add(2);
  counters.queries.Add(3);
  counters.bytes_received.Add(4);
  counters.bytes_sent.Add(5);
  counters.transaction_us.Add(6);
  counters.query_us.Add(7);
  counters.wait_us.Add(8);
  counters.client_logins.Add(9);
  counters.server_logins.Add(10);
  counters.server_login_failures.Add(11);
  counters.server_closes.Add(12);
  counters.server_moves.Add(13);
  counters.cancels.Add(14);
  counters.wait.Observe(15);
  counters.query.Observe(16);
  counters.transaction.Observe(17);
  counters.connect.Observe(18);
  counters.client_parses.Add(19);
  counters.server_parses.Add(20);
  counters.binds.Add(21);
  counters.settings_replays.Add(22);
  counters.statement_heals.Add(23);
  counters.notifications.Add(24);
  counters.shed.Add(25);
  counters.client_moves.Add(26);
  counters.CountHeld(28);
  for (uint64_t i = 1; i < 27; ++i) counters.CountHeld(0);
  for (size_t i = 0; i < conf::kStateKinds; ++i) counters.pins[i].Add(29 + i);
  PoolTotals totals, twice;
  counters.AddTo(totals);
  twice.Merge(totals);
  counters.AddTo(twice);
  const auto values = [](const PoolTotals& t) {
    std::vector<uint64_t> all = {
        t.server_assignments,    t.transactions,       t.queries,       t.bytes_received,   t.bytes_sent,
        t.transaction_us,        t.query_us,           t.wait_us,       t.client_logins,    t.server_logins,
        t.server_login_failures, t.server_closes,      t.server_moves,  t.cancels,          t.wait.sum_us,
        t.query.sum_us,          t.transaction.sum_us, t.connect.sum_us, t.client_parses,   t.server_parses,
        t.binds,                 t.settings_replays,   t.statement_heals, t.notifications,
        t.shed,                  t.client_moves,       t.releases,           t.held_us};
    all.insert(all.end(), t.pins.begin(), t.pins.end());
    return all;
  };
  ASSERT_EQ(values(totals).size(), 28 + conf::kStateKinds);
  for (size_t i = 0; i < values(totals).size(); ++i) {
    EXPECT_EQ(values(totals)[i], i + 1);
    EXPECT_EQ(values(twice)[i], 2 * (i + 1));
  }
}

}  // namespace
}  // namespace proxy
