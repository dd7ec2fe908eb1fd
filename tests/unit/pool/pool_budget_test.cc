// Several pools over shared budgets: caps, eviction, hunger.
#include "tests/unit/pool/pool_fixture.h"

namespace pool {
namespace {

class PoolBudgetTest : public PoolTest {
 protected:
  Pool::Next ReleaseTo(Pool& to, Slot& slot) {
    orders = {};
    return to.Release(slot, now, orders);
  }
  void CloseIn(Pool& in, Slot& slot) {
    orders = {};
    in.Closed(slot, now, orders);
  }
};

TEST_F(PoolBudgetTest, OpensUpToTheCapAndAsksForEvictionBeyond) {
  for (const bool is_user : {false, true}) {
    const auto& budget = is_user ? user : database;
    budget->SetLimit(3);
    Make(Limits(10));
    const std::shared_ptr<Slot> slots[] = {Lease(0), Lease(0), Lease(0)};
    EXPECT_EQ(orders.evict, nullptr);
    Waiter waiter = At(0);
    EXPECT_EQ(Acquire(waiter).kind, Acquired::kQueued);
    EXPECT_TRUE(orders.open.empty());
    EXPECT_EQ(orders.evict, budget);
    EXPECT_EQ(database->used(), 3);  // what was taken of the other budget was given back
    EXPECT_EQ(user->used(), 3);
    EXPECT_TRUE(budget->HasHungry());
    Cancel(waiter);
    for (const auto& slot : slots) Close(*slot);
    EXPECT_EQ(database->used() + user->used(), 0);
    budget->SetLimit(0);
  }
}

TEST_F(PoolBudgetTest, EvictionTakesTheLongestIdleAboveTheGuarantee) {
  auto limits = Limits(3);
  limits.guaranteed = 1;
  Make(limits);
  const auto a = Lease(0), b = Lease(1);
  EXPECT_FALSE(pool->OldestSpare());
  EXPECT_FALSE(pool->EvictIdle(now, orders));
  const TimePoint since = now;
  EXPECT_EQ(Release(*b).kind, Next::kIdle);
  now += Duration(10);
  EXPECT_EQ(Release(*a).kind, Next::kIdle);
  ASSERT_TRUE(pool->OldestSpare());
  EXPECT_EQ(pool->OldestSpare()->idle_since, since);
  EXPECT_EQ(pool->OldestSpare()->rank, 1);
  orders = {};
  EXPECT_TRUE(pool->EvictIdle(now, orders));
  ASSERT_EQ(orders.close.size(), 1u);
  EXPECT_EQ(orders.close[0], b);
  EXPECT_FALSE(pool->OldestSpare()) << "the last one is guaranteed";
  EXPECT_FALSE(pool->EvictIdle(now, orders));
}

TEST_F(PoolBudgetTest, AnEvictedPlaceGoesToTheHungry) {
  database->SetLimit(1);
  Make(Limits(2));
  const auto other = MakeOne(Limits(2));
  const auto slot = Lease(0);
  EXPECT_EQ(Release(*slot).kind, Next::kIdle);
  Waiter waiter = At(0);
  EXPECT_EQ(AcquireFrom(*other, waiter).kind, Acquired::kQueued);
  EXPECT_EQ(orders.evict, database);
  orders = {};
  EXPECT_TRUE(pool->EvictIdle(now, orders));
  CloseIn(*pool, *slot);
  ASSERT_EQ(orders.poke.size(), 1u);
  EXPECT_EQ(orders.poke[0], other);
  orders = {};
  other->Tick(now, orders);
  EXPECT_EQ(orders.open.size(), 1u);
  EXPECT_EQ(database->used(), 1);
  other->Cancel(waiter, Leaves::kSentAway, now);
}

TEST_F(PoolBudgetTest, AServerThatNobodyWaitsForIsGivenUpForAHungryPool) {
  database->SetLimit(2);
  auto limits = Limits(2);
  limits.guaranteed = 1;
  Make(limits);
  const auto other = MakeOne(Limits(2));
  const auto a = Lease(0), b = Lease(0);
  Waiter waiter = At(0);
  EXPECT_EQ(AcquireFrom(*other, waiter).kind, Acquired::kQueued);
  EXPECT_EQ(Release(*a).kind, Next::kClose);
  EXPECT_EQ(Release(*b).kind, Next::kIdle) << "guaranteed";
  CloseIn(*pool, *a);
  ASSERT_EQ(orders.poke.size(), 1u);
  EXPECT_EQ(orders.poke[0], other);
  other->Cancel(waiter, Leaves::kSentAway, now);
}

TEST_F(PoolBudgetTest, ARichPoolGivesUpWhatItsOwnWaitersWantToo) {
  database->SetLimit(3);
  Make(Limits(3));
  const auto other = MakeOne(Limits(3));
  const std::shared_ptr<Slot> slots[] = {Lease(0), Lease(0), Lease(0)};
  Waiter first = At(0), second = At(0), own = At(0);
  AcquireFrom(*other, first);
  AcquireFrom(*other, second);
  Acquire(own);
  EXPECT_EQ(Release(*slots[0]).kind, Next::kClose);
  EXPECT_EQ(Release(*slots[1]).waiter, &own) << "one for each of two that want is fair; the third stays here";
  CloseIn(*pool, *slots[0]);
  orders = {};
  other->Tick(now, orders);
  ASSERT_EQ(orders.open.size(), 1u);
  other->Cancel(first, Leaves::kSentAway, now);
  other->Cancel(second, Leaves::kSentAway, now);
}

TEST_F(PoolBudgetTest, AFreedPlaceIsNotTakenByThePoolThatGaveItUp) {
  database->SetLimit(2);
  Make(Limits(3));
  const auto other = MakeOne(Limits(3));
  const auto a = Lease(0), b = Lease(0);
  Waiter poor = At(0), own = At(0);
  AcquireFrom(*other, poor);
  Acquire(own);
  EXPECT_EQ(Release(*a).kind, Next::kClose);
  CloseIn(*pool, *a);
  EXPECT_TRUE(orders.open.empty());
  ASSERT_FALSE(orders.poke.empty());
  EXPECT_EQ(orders.poke[0], other);
  orders = {};
  other->Tick(now, orders);
  EXPECT_EQ(orders.open.size(), 1u);
  EXPECT_EQ(Release(*b).waiter, &own);
  other->Cancel(poor, Leaves::kSentAway, now);
}

TEST_F(PoolBudgetTest, WhoIsBelowItsGuaranteeIsServedFirst) {
  database->SetLimit(3);
  Make(Limits(3));
  auto limits = Limits(3);
  limits.guaranteed = 2;
  const auto guaranteed = MakeOne(limits), other = MakeOne(Limits(3));
  const auto have = LeaseFrom(*guaranteed, 0);
  const auto a = Lease(0), b = Lease(0);
  Waiter poor = At(0), entitled = At(0), own = At(0);
  AcquireFrom(*other, poor);
  AcquireFrom(*guaranteed, entitled);
  Acquire(own);
  EXPECT_EQ(Release(*a).kind, Next::kClose);
  CloseIn(*pool, *a);
  ASSERT_FALSE(orders.poke.empty());
  EXPECT_EQ(orders.poke[0], guaranteed);
  other->Cancel(poor, Leaves::kSentAway, now);
  guaranteed->Cancel(entitled, Leaves::kSentAway, now);
  Cancel(own);
}

TEST_F(PoolBudgetTest, WhatIsOnlyKeptWarmYieldsToTheHungry) {
  database->SetLimit(1);
  auto limits = Limits(2);
  limits.min_size = 1;
  Make(limits);
  const auto other = MakeOne(Limits(2));
  Tick();
  ASSERT_EQ(orders.open.size(), 1u);
  const auto warm = orders.open[0];
  EXPECT_EQ(Opened(*warm).kind, Next::kIdle);
  Waiter waiter = At(0);
  AcquireFrom(*other, waiter);
  EXPECT_EQ(orders.evict, database);
  ASSERT_TRUE(pool->OldestSpare());
  EXPECT_TRUE(pool->EvictIdle(now, orders));
  CloseIn(*pool, *warm);
  EXPECT_TRUE(orders.open.empty()) << "it does not take it back";
  Tick();
  EXPECT_TRUE(orders.open.empty());
  other->Cancel(waiter, Leaves::kSentAway, now);
}

TEST_F(PoolBudgetTest, NewBudgetsCountWhatIsOpenedFromNowOn) {
  Make(Limits(3));
  const auto a = Lease(0);
  const auto host = std::make_shared<Budget>(0);
  pool->SetBudgets({database, host}, now, orders);
  const auto b = Lease(0);
  EXPECT_EQ(database->used(), 2);
  EXPECT_EQ(user->used(), 1);
  EXPECT_EQ(host->used(), 1);
  Close(*a);
  EXPECT_EQ(user->used(), 0);
  Close(*b);
  EXPECT_EQ(database->used() + host->used(), 0);
}

TEST_F(PoolBudgetTest, ItSaysWhichCapHoldsItBack) {
  database->SetLimit(1);
  Make(Limits(2));
  const auto slot = Lease(0);
  EXPECT_EQ(pool->Count(now).held_back_by, nullptr);
  Waiter waiter = At(0);
  Acquire(waiter);
  EXPECT_EQ(pool->Count(now).held_back_by, database);
  Cancel(waiter);
  EXPECT_EQ(pool->Count(now).held_back_by, nullptr);
  EXPECT_FALSE(database->HasHungry());
}

TEST_F(PoolBudgetTest, APoolDoesNotCloseAServerForItsOwnHunger) {
  database->SetLimit(1);
  Make(Limits(2));
  const auto slot = Lease(0);
  Waiter waiter = At(0);
  Acquire(waiter);
  EXPECT_TRUE(database->HasHungry());
  EXPECT_EQ(Release(*slot).waiter, &waiter);
  EXPECT_EQ(Release(*slot).kind, Next::kIdle);
  EXPECT_FALSE(database->HasHungry());
}

TEST_F(PoolBudgetTest, APoolWhoseWaitersHaveLeftIsNotHungry) {
  database->SetLimit(1);
  Make(Limits(2));
  const auto second = MakeOne(Limits(2)), third = MakeOne(Limits(2));
  const auto slot = Lease(0);
  Waiter gone = At(0), waiting = At(0);
  AcquireFrom(*second, gone);
  AcquireFrom(*third, waiting);
  second->Cancel(gone, Leaves::kSentAway, now);
  EXPECT_EQ(Release(*slot).kind, Next::kClose);
  CloseIn(*pool, *slot);
  ASSERT_EQ(orders.poke.size(), 1u);
  EXPECT_EQ(orders.poke[0], third);
  third->Cancel(waiting, Leaves::kSentAway, now);
}

TEST_F(PoolBudgetTest, APoolStoppedByItsUserPassesTheDatabasesPlaceOn) {
  database->SetLimit(1);
  const auto full_user = std::make_shared<Budget>(1);
  EXPECT_TRUE(full_user->TryTake());
  Make(Limits(2));
  const auto stopped = std::make_shared<Pool>(Limits(2), 2, Budgets{database, full_user}, 1);
  const auto third = MakeOne(Limits(2));
  const auto slot = Lease(0);
  Waiter at_user = At(0), at_database = At(0);
  AcquireFrom(*stopped, at_user);
  AcquireFrom(*third, at_database);
  EXPECT_EQ(Release(*slot).kind, Next::kClose);
  CloseIn(*pool, *slot);
  ASSERT_EQ(orders.poke.size(), 1u);
  ASSERT_EQ(orders.poke[0], stopped);
  orders = {};
  stopped->Tick(now, orders);
  EXPECT_EQ(orders.evict, full_user);
  ASSERT_FALSE(orders.poke.empty());
  for (const auto& poked : orders.poke) EXPECT_EQ(poked, third);
  EXPECT_EQ(database->used(), 0);
  stopped->Cancel(at_user, Leaves::kSentAway, now);
  third->Cancel(at_database, Leaves::kSentAway, now);
}

TEST_F(PoolBudgetTest, APlaceGivenBackAtOnceIsOfferedToTheHungry) {
  database->SetLimit(1);
  const auto full_user = std::make_shared<Budget>(1);
  EXPECT_TRUE(full_user->TryTake());
  Make(Limits(2));
  const auto stopped = std::make_shared<Pool>(Limits(2), 2, Budgets{database, full_user}, 1);
  const auto hungry = MakeOne(Limits(2));
  const auto slot = Lease(0);
  Waiter first = At(0), second = At(0);
  AcquireFrom(*hungry, first);
  database->SetLimit(2);
  AcquireFrom(*stopped, second);
  ASSERT_EQ(orders.poke.size(), 1u);
  EXPECT_EQ(orders.poke[0], hungry);
  hungry->Cancel(first, Leaves::kSentAway, now);
  stopped->Cancel(second, Leaves::kSentAway, now);
}

TEST_F(PoolBudgetTest, AFailedLoginGivesItsPlacesBack) {
  database->SetLimit(1);
  Make(Limits(2));
  const auto other = MakeOne(Limits(2));
  Waiter waiter = At(0), hungry = At(0);
  Acquire(waiter);
  const auto slot = orders.open.at(0);
  AcquireFrom(*other, hungry);
  Fail(*slot, OpenFailure::Kind::kUnreachable);
  EXPECT_EQ(database->used(), 0);
  ASSERT_EQ(orders.poke.size(), 1u);
  EXPECT_EQ(orders.poke[0], other);
  Cancel(waiter);
  other->Cancel(hungry, Leaves::kSentAway, now);
}

}  // namespace
}  // namespace pool
