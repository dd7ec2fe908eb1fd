#include "pool/budget.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>
#include <vector>

#include "pool/pool.h"

namespace pool {
namespace {

std::shared_ptr<Pool> AnyPool() {
  return std::make_shared<Pool>(PoolLimits{}, 1, Budgets{}, 1);
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

// A cap of one, in use.
class FullBudget : public ::testing::Test {
 protected:
  FullBudget() { EXPECT_TRUE(budget.TryTake()); }
  bool Ask(const std::shared_ptr<Pool>& pool, Holding holding, int wanted = 1) {
    since.try_emplace(pool, now + Duration(since.size()));
    return budget.TryTake({pool, holding, wanted, since[pool], 0}); }
  bool MustGive(const std::shared_ptr<Pool>& pool, Holding holding, Budget::Offer offer = Budget::Offer::kInDemand) {
    return budget.MustGive(*pool, holding, offer, kTurn, now);
  }
  Budget budget{1};
  const std::shared_ptr<Pool> a = AnyPool(), b = AnyPool(), c = AnyPool();
  std::map<std::shared_ptr<Pool>, TimePoint> since;  // in the order in which they asked first
  TimePoint now{Duration(1'000'000)};
};

TEST_F(FullBudget, TheNeediestComesFirstThenWhoCameFirst) {
  EXPECT_FALSE(Ask(a, {.held = 2}));
  EXPECT_FALSE(Ask(b, {.held = 1}));
  EXPECT_FALSE(Ask(c, {.held = 1}));
  EXPECT_EQ(budget.Neediest(), b);
  EXPECT_EQ(budget.Neediest(b.get()), c);
  EXPECT_FALSE(Ask(a, {.held = 4, .guaranteed = 5})) << "below its guarantee before who has fewer";
  EXPECT_EQ(budget.Neediest(), a);
  budget.Give();
  EXPECT_FALSE(Ask(c, {.held = 1})) << "there is room, but others come first";
  EXPECT_TRUE(Ask(a, {.held = 4, .guaranteed = 5}));
  EXPECT_EQ(budget.Neediest(), b);
  budget.Give();
  EXPECT_FALSE(Ask(c, {.held = 1}));
  EXPECT_TRUE(Ask(b, {.held = 1}));
}

TEST_F(FullBudget, WhoWantsNothingOrHasEndedIsForgotten) {
  auto ended = AnyPool();
  EXPECT_FALSE(Ask(ended, {}));
  EXPECT_FALSE(Ask(a, {}));
  EXPECT_FALSE(Ask(b, {}));
  since.erase(ended);
  ended.reset();
  budget.Forget(*a);
  EXPECT_EQ(budget.Neediest(), b);
  budget.Forget(*b);
  EXPECT_FALSE(budget.HasHungry());
}

TEST_F(FullBudget, WhatNobodyWaitsForTakesOnlyWhatNobodyElseWants) {
  EXPECT_FALSE(Ask(a, {}));
  budget.Give();
  EXPECT_FALSE(budget.TryTakeSpare());
  budget.Forget(*a);
  EXPECT_TRUE(budget.TryTakeSpare());
}

TEST_F(FullBudget, TheRicherGivesUntilBothHaveAlike) {
  EXPECT_FALSE(Ask(a, {.held = 3}, 5));
  EXPECT_TRUE(MustGive(b, {.held = 5}));
  EXPECT_FALSE(MustGive(b, {.held = 5})) << "one is on its way: with another b would have less than a";
  EXPECT_TRUE(MustGive(c, {.held = 7}));
  EXPECT_FALSE(MustGive(a, {.held = 9})) << "nobody gives for itself";
}

TEST_F(FullBudget, NoMoreIsGivenThanIsWanted) {
  EXPECT_FALSE(Ask(a, {}, 2));
  EXPECT_TRUE(MustGive(b, {.held = 10}));
  EXPECT_TRUE(MustGive(b, {.held = 9}));
  EXPECT_FALSE(MustGive(b, {.held = 8}));
  budget.ForgetPromises(*a);
  EXPECT_TRUE(MustGive(b, {.held = 8})) << "they came to nothing";
  budget.Promise(*a);
  EXPECT_FALSE(MustGive(b, {.held = 7}));
}

TEST_F(FullBudget, NobodyGivesBelowItsGuarantee) {
  EXPECT_FALSE(Ask(a, {}));
  EXPECT_FALSE(MustGive(b, {.held = 5, .guaranteed = 5}));
  EXPECT_FALSE(MustGive(b, {.held = 5, .guaranteed = 5}, Budget::Offer::kIdle));
  EXPECT_TRUE(MustGive(b, {.held = 6, .guaranteed = 5}));
}

TEST_F(FullBudget, TheOnlyPlaceGoesRoundInTurns) {
  EXPECT_FALSE(Ask(a, {}));
  EXPECT_FALSE(MustGive(b, {.held = 1})) << "it has only just come";
  now += kTurn;
  EXPECT_FALSE(budget.MustGive(*b, {.held = 1}, Budget::Offer::kInDemand, kTurn - Duration(1), now)) << "it has only just been opened";
  EXPECT_TRUE(MustGive(b, {.held = 1}));
}

TEST_F(FullBudget, WhatIsIdleGoesToWhoDoesNotHaveMore) {
  EXPECT_FALSE(Ask(a, {.held = 1}));
  EXPECT_TRUE(MustGive(b, {.held = 2}, Budget::Offer::kIdle));
  budget.ForgetPromises(*a);
  EXPECT_FALSE(Ask(a, {.held = 2}));
  EXPECT_FALSE(MustGive(b, {.held = 2}, Budget::Offer::kIdle)) << "a has more already";
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
