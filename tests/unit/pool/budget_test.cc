#include "pool/budget.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "pool/pool.h"

namespace pool {
namespace {

std::shared_ptr<Pool> AnyPool() {
  return std::make_shared<Pool>(PoolLimits{}, 1, std::make_shared<Budget>(0), std::make_shared<Budget>(0), 1);
}

TEST(Budget, StopsAtItsLimit) {
  Budget budget(3);
  EXPECT_TRUE(budget.TryTake());
  EXPECT_TRUE(budget.TryTake());
  EXPECT_TRUE(budget.HasRoom());
  EXPECT_TRUE(budget.TryTake());
  EXPECT_FALSE(budget.HasRoom());
  EXPECT_FALSE(budget.TryTake());
  EXPECT_EQ(budget.used(), 3);
  budget.Give();
  EXPECT_TRUE(budget.TryTake());
}

TEST(Budget, ZeroIsNoLimitButCounts) {
  Budget budget(0);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(budget.TryTake());
  EXPECT_EQ(budget.used(), 1000);
  EXPECT_TRUE(budget.HasRoom());
}

TEST(Budget, ALoweredLimitWaitsUntilTheCountHasFallen) {
  Budget budget(3);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(budget.TryTake());
  budget.SetLimit(2);
  budget.Give();
  EXPECT_FALSE(budget.TryTake());
  budget.Give();
  EXPECT_TRUE(budget.TryTake());
  budget.SetLimit(3);
  EXPECT_TRUE(budget.TryTake());
}

TEST(BudgetDeathTest, GivesNoMoreThanWasTaken) {
  Budget budget(3);
  EXPECT_DEATH(budget.Give(), "broken invariant");
}

TEST(Budget, NamesTheHungryInTheOrderTheyCameOnceEach) {
  Budget budget(1);
  const auto a = AnyPool(), b = AnyPool();
  EXPECT_FALSE(budget.HasHungry());
  budget.RememberHungry(a);
  budget.RememberHungry(b);
  budget.RememberHungry(a);
  EXPECT_EQ(budget.TakeHungry(), a);
  EXPECT_TRUE(budget.HasHungry());
  EXPECT_EQ(budget.TakeHungry(), b);
  EXPECT_FALSE(budget.HasHungry());
  EXPECT_EQ(budget.TakeHungry(), nullptr);
}

TEST(Budget, ForgetsAPoolThatEndedOrNeedsNothing) {
  Budget budget(1);
  auto ended = AnyPool();
  const auto satisfied = AnyPool(), hungry = AnyPool();
  budget.RememberHungry(ended);
  budget.RememberHungry(satisfied);
  budget.RememberHungry(hungry);
  ended.reset();
  budget.ForgetHungry(*satisfied);
  EXPECT_EQ(budget.TakeHungry(), hungry);
  EXPECT_FALSE(budget.HasHungry());
}

TEST(Budget, HoldsUnderManyThreads) {
  constexpr int kLimit = 3, kThreads = 4, kRounds = 20'000;
  Budget budget(kLimit);
  std::atomic<int> held{0}, most{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        if (!budget.TryTake()) continue;
        const int now_held = ++held;
        int seen = most;
        while (now_held > seen && !most.compare_exchange_weak(seen, now_held)) continue;
        --held;
        budget.Give();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most, kLimit);
  EXPECT_EQ(budget.used(), 0);
}

}  // namespace
}  // namespace pool
