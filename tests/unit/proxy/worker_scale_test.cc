// WorkerScale: more workers when one is busy, fewer when the others could carry it, and no two answers in turn to the same load.
#include "proxy/worker_scale.h"

#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <vector>

namespace proxy {
namespace {

constexpr pool::Duration kLook{100'000};

// The load, in workers that are busy all the time, dealt out evenly to those in use; as in life nobody is busier than that.
std::vector<pool::Duration> Spread(double load, uint32_t in_use, uint32_t all) {
  std::vector<pool::Duration> used(all);
  for (uint32_t i = 0; i < in_use; ++i) used[i] = pool::Duration(static_cast<int64_t>(std::min(1.0, load / in_use) * kLook.count()));
  return used;
}

uint32_t After(WorkerScale& scale, double load, int looks, uint32_t all) {
  for (int i = 0; i < looks; ++i) scale.Look(Spread(load, scale.in_use(), all), kLook);
  return scale.in_use();
}

TEST(WorkerScaleTest, OneCarriesWhatItCan) {
  WorkerScale scale(1, 16);
  EXPECT_EQ(scale.in_use(), 1u);
  EXPECT_EQ(After(scale, 0.69, 1000, 16), 1u);
  EXPECT_EQ(After(scale, 0.71, 1, 16), 2u);
}

TEST(WorkerScaleTest, AFloodHasAllWithinAFewLooks) {
  WorkerScale scale(1, 16);
  EXPECT_EQ(After(scale, 16, 1, 16), 2u) << "more than all of its time is not seen";
  EXPECT_EQ(After(scale, 16, 3, 16), 16u);
  EXPECT_EQ(After(scale, 16, 100, 16), 16u) << "there are no more";
}

TEST(WorkerScaleTest, OneLessAtATimeAndOnlyAfterAWhile) {
  WorkerScale scale(1, 4);
  ASSERT_EQ(After(scale, 4, 5, 4), 4u);
  EXPECT_EQ(After(scale, 0.1, 19, 4), 4u);
  EXPECT_EQ(After(scale, 0.1, 1, 4), 3u);
  EXPECT_EQ(After(scale, 0.1, 20, 4), 2u);
  EXPECT_EQ(After(scale, 0.1, 19, 4), 2u);
  EXPECT_EQ(After(scale, 0.8, 1, 4), 2u) << "begins anew";
  EXPECT_EQ(After(scale, 0.1, 19, 4), 2u);
  EXPECT_EQ(After(scale, 0.1, 1, 4), 1u);
  EXPECT_EQ(After(scale, 0, 1000, 4), 1u);
}

TEST(WorkerScaleTest, NoLoadMakesItGoUpAndDown) {
  for (double load = 0.05; load < 18; load += 0.05) {
    for (const uint32_t from : {1u, 16u}) {
      WorkerScale scale(from, 16);
      scale.SetLeast(1);
      if (from == 16) After(scale, 16, 10, 16);
      uint32_t settled = After(scale, load, 600, 16);
      EXPECT_EQ(After(scale, load, 600, 16), settled) << load << " from " << from;
      EXPECT_TRUE(settled == 16 || load / settled < kBusyShare) << load << " from " << from << ": " << settled;
    }
  }
}

// One connection fills a worker, and cannot be spread.
TEST(WorkerScaleTest, OneThatIsBusyAloneTakesNotAll) {
  WorkerScale scale(1, 16);
  const std::array<pool::Duration, 16> used{kLook, pool::Duration(5'000)};
  for (int i = 0; i < 1000; ++i) {
    scale.Look(used, kLook);
    ASSERT_LE(scale.in_use(), 3u);
  }
  EXPECT_EQ(scale.in_use(), 3u);
}

TEST(WorkerScaleTest, TheLeastIsKept) {
  WorkerScale scale(3, 4);
  EXPECT_EQ(After(scale, 0, 1000, 4), 3u);
  EXPECT_FALSE(scale.is_fixed());
  scale.SetLeast(9);
  EXPECT_EQ(scale.in_use(), 4u);
  EXPECT_TRUE(scale.is_fixed());
  scale.SetLeast(1);
  EXPECT_EQ(scale.in_use(), 1u);
}

TEST(WorkerScaleTest, NoTimeIsNoLook) {
  WorkerScale scale(1, 4);
  const std::array<pool::Duration, 4> used{kLook};
  EXPECT_EQ(scale.Look(used, pool::Duration(0)), 1u);
}

}  // namespace
}  // namespace proxy
