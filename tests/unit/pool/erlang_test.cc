// The M/M/c queue: against exact fractions, at its edges, and against a simulation that knows nothing of formulas.
#include "pool/erlang.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <queue>
#include <vector>

#include "tests/sim/dice.h"

namespace pool {
namespace {

TEST(ChanceToWaitTest, IsTheExactFraction) {
  // Computed with rational numbers from the sum in the books.
  const struct {
    int servers;
    double load, chance;
  } known[] = {{1, 0.5, 0.5}, {2, 1.0, 0.3333333333333333}, {5, 4.0, 0.5541125541125541}, {10, 8.0, 0.40918015079644354}, {20, 15.0, 0.1604293874169236}, {100, 90.0, 0.2169404809063664}, {200, 190.0, 0.3652638565625464}, {1000, 990.0, 0.6590804218808545}};
  for (const auto& [servers, load, chance] : known) EXPECT_NEAR(ChanceToWait(servers, load), chance, chance * 1e-12) << servers << ' ' << load;
}

TEST(ChanceToWaitTest, AtTheEdges) {
  EXPECT_EQ(ChanceToWait(5, 0), 0);
  EXPECT_EQ(ChanceToWait(5, 5), 1);
  EXPECT_EQ(ChanceToWait(5, 50), 1);
  EXPECT_EQ(ChanceToWait(100'000, 1e-3), 0) << "smaller than any number";
  const double large = ChanceToWait(100'000, 99'900);
  EXPECT_TRUE(large > 0 && large < 1) << large;
  EXPECT_GT(ChanceToWait(1, 1e-300), 0);
}

TEST(ChanceToWaitTest, RisesWithTheLoadAndFallsWithTheServers) {
  for (int servers = 1; servers < 50; ++servers) {
    for (double use = 0.05; use < 0.99; use += 0.05) {
      EXPECT_LT(ChanceToWait(servers, use * servers), ChanceToWait(servers, (use + 0.01) * servers));
      EXPECT_LT(ChanceToWait(servers + 1, use * servers), ChanceToWait(servers, use * servers));
    }
  }
}

TEST(WaitForTest, OneServerIsTheQueueOfTheBooks) {
  const auto wait = WaitFor(1, 0.5, 1000);
  ASSERT_TRUE(wait);
  EXPECT_NEAR(wait->mean_us, 1000, 1e-9);                            // use / (1 - use) x hold
  EXPECT_NEAR(wait->p95_us, 2000 * std::log(0.5 / 0.05), 1e-9);
  EXPECT_EQ(WaitFor(10, 1, 1000)->p95_us, 0) << "fewer than one in twenty wait at all";
  EXPECT_FALSE(WaitFor(10, 10, 1000));
  EXPECT_EQ(WaitFor(10, 0, 1000)->mean_us, 0);
}

TEST(SmallestSizeTest, IsTheFirstThatKeepsTheTarget) {
  for (const double load : {0.01, 0.7, 3.0, 17.5, 240.0}) {
    for (const double target : {0.0, 100.0, 10'000.0, 1e6}) {
      const auto size = SmallestSize(load, 5'000, target, 1000);
      ASSERT_TRUE(size);
      ASSERT_TRUE(WaitFor(*size, load, 5'000));
      EXPECT_LE(WaitFor(*size, load, 5'000)->p95_us, target);
      if (const auto fewer = WaitFor(*size - 1, load, 5'000)) EXPECT_GT(fewer->p95_us, target) << load << ' ' << target;
      else EXPECT_LE(*size - 1, load);
    }
  }
  EXPECT_EQ(SmallestSize(0, 0, 0, 10), 1);
  EXPECT_FALSE(SmallestSize(50, 5'000, 10, 50));
}

// Clients come at random, each keeps a server for a time at random, first come, first served: what it waits is only counted.
std::vector<double> SimulatedWaits(int servers, double load, double hold, uint64_t seed) {
  constexpr int kClients = 400'000, kWarmUp = 20'000;
  sim::Dice dice(seed);
  const auto exponential = [&dice](double mean) { return -mean * std::log((static_cast<double>(dice.Next() >> 11) + 1) / 9007199254740993.0); };
  std::priority_queue<double, std::vector<double>, std::greater<>> free_at;
  for (int i = 0; i < servers; ++i) free_at.push(0);
  std::vector<double> waits;
  double now = 0;
  for (int i = 0; i < kClients; ++i) {
    now += exponential(hold / load);
    const double begin = std::max(now, free_at.top());
    free_at.pop();
    free_at.push(begin + exponential(hold));
    if (i >= kWarmUp) waits.push_back(begin - now);
  }
  std::sort(waits.begin(), waits.end());
  return waits;
}

TEST(WaitForTest, IsWhatASimulationCounts) {
  const struct {
    int servers;
    double load;
  } cases[] = {{1, 0.6}, {4, 3.0}, {20, 17.0}, {50, 47.0}};
  for (const auto& [servers, load] : cases) {
    const auto waits = SimulatedWaits(servers, load, 1000, 11);
    double sum = 0;
    for (const double wait : waits) sum += wait;
    const auto waited = static_cast<double>(waits.end() - std::upper_bound(waits.begin(), waits.end(), 0.0));
    const auto count = static_cast<double>(waits.size());
    const auto expected = WaitFor(servers, load, 1000);
    ASSERT_TRUE(expected);
    EXPECT_NEAR(waited / count, ChanceToWait(servers, load), 0.03 * ChanceToWait(servers, load)) << servers;
    EXPECT_NEAR(sum / count, expected->mean_us, 0.08 * expected->mean_us) << servers;
    EXPECT_NEAR(waits[waits.size() * 95 / 100], expected->p95_us, 0.08 * expected->p95_us) << servers;
  }
}

}  // namespace
}  // namespace pool
