// Servers that are opened for one client alone: their place, whose turn it is, and what they leave untouched.
#include "tests/unit/pool/pool_fixture.h"

namespace pool {
namespace {

class PoolDedicatedTest : public PoolTest {
 protected:
  Pool::Acquired Ask(Waiter& waiter) {
    orders = {};
    return pool->AcquireDedicated(waiter, now, orders);
  }
  // The one that was ordered to be opened, for that waiter.
  std::shared_ptr<Slot> Ordered(const Waiter& waiter) {
    if (orders.open.size() != 1) {
      ADD_FAILURE() << "expected one server to open, not " << orders.open.size();
      std::abort();
    }
    std::shared_ptr<Slot> slot = orders.open.front();
    EXPECT_EQ(slot->dedicated_to, waiter.owner_id);
    EXPECT_EQ(slot->worker, waiter.worker);
    return slot;
  }
  std::shared_ptr<Slot> OpenFor(Waiter& waiter) {
    EXPECT_EQ(Ask(waiter).kind, Acquired::kQueued);
    const auto slot = Ordered(waiter);
    const Pool::Next next = Opened(*slot);
    EXPECT_EQ(next.kind, Next::kServe);
    EXPECT_EQ(next.waiter, &waiter);
    EXPECT_EQ(waiter.state, WaiterState::kNone);
    return slot;
  }
  void Closed(Slot& slot) {
    orders = {};
    pool->Closed(slot, now, orders);
  }
  void SetMode(RunMode mode) {
    orders = {};
    pool->SetMode(mode, now, orders);
  }
};

TEST_F(PoolDedicatedTest, AnIdleServerIsNotTaken) {
  Make(Limits(3));
  const auto idle = Lease(0);
  EXPECT_EQ(Release(*idle).kind, Next::kIdle);
  Waiter one = At(1, 11);
  const auto slot = OpenFor(one);
  EXPECT_EQ(idle->state, SlotState::kIdle);
  EXPECT_EQ(Open(), 2);
  Waiter other = At(0, 12);
  EXPECT_EQ(Acquire(other).slot, idle.get()) << "others go on with what they share";
  Close(*slot);
  EXPECT_EQ(Open(), 1);
}

TEST_F(PoolDedicatedTest, CountsAtEveryCap) {
  Make(Limits(2));
  Waiter one = At(0, 11), two = At(1, 12), three = At(0, 13);
  const auto first = OpenFor(one), second = OpenFor(two);
  EXPECT_EQ(database->used(), 2);
  EXPECT_EQ(Ask(three).kind, Acquired::kQueued);
  EXPECT_TRUE(orders.open.empty());
  EXPECT_EQ(Waiting(), 1u);
  Waiter shared = At(0, 14);
  EXPECT_EQ(Acquire(shared).kind, Acquired::kQueued);
  EXPECT_TRUE(orders.open.empty());
  Close(*first);
  Ordered(three);
  EXPECT_EQ(Open(), 2);
  EXPECT_EQ(database->used(), 2);
}

TEST_F(PoolDedicatedTest, TheLongestIdleServerGoesForItWhereThePoolIsFull) {
  Make(Limits(2));
  const auto a = Lease(0), b = Lease(1);
  Release(*b);
  now += Duration(10);
  Release(*a);
  Waiter waiter = At(0, 11);
  EXPECT_EQ(Ask(waiter).kind, Acquired::kQueued);
  EXPECT_TRUE(orders.open.empty());
  ASSERT_EQ(orders.close.size(), 1u);
  EXPECT_EQ(orders.close[0], b);
  EXPECT_EQ(a->state, SlotState::kIdle);
  Tick();
  EXPECT_TRUE(orders.close.empty()) << "one place is enough";
  Closed(*b);
  Ordered(waiter);
}

TEST_F(PoolDedicatedTest, ItsOwnPoolsIdleServerGoesAtASharedCapToo) {
  database->SetLimit(2);
  Make(Limits(10));
  const auto a = Lease(0), b = Lease(0);
  Release(*a);
  Waiter waiter = At(0, 11);
  Ask(waiter);
  ASSERT_EQ(orders.close.size(), 1u);
  EXPECT_EQ(orders.close[0], a);
  EXPECT_EQ(orders.evict, nullptr);
  Closed(*a);
  Ordered(waiter);
  EXPECT_EQ(database->used(), 2);
}

TEST_F(PoolDedicatedTest, AnotherPoolGivesOneUpAtASharedCap) {
  database->SetLimit(1);
  Make(Limits(10));
  const auto other = MakeOne(Limits(10));
  const auto theirs = LeaseFrom(*other, 0);
  orders = {};
  EXPECT_EQ(other->Release(*theirs, now, orders).kind, Next::kIdle);
  Waiter waiter = At(0, 11);
  Ask(waiter);
  EXPECT_EQ(orders.evict, database);
  EXPECT_TRUE(database->HasHungry());
  orders = {};
  ASSERT_TRUE(other->EvictIdle(now, orders));
  other->Closed(*theirs, now, orders);
  ASSERT_EQ(orders.poke.size(), 1u);
  EXPECT_EQ(orders.poke[0], pool);
  Tick();
  Ordered(waiter);
  EXPECT_FALSE(database->HasHungry());
}

// Who has waited longest: a release serves those that came before it, then goes for its place.
TEST_F(PoolDedicatedTest, AReleasedServerGoesForItWhenItsTurnHasCome) {
  Make(Limits(1));
  const auto slot = Lease(0);
  Waiter before = At(0, 21), waiter = At(0, 11), behind = At(0, 22);
  Acquire(before);
  Ask(waiter);
  Acquire(behind);
  EXPECT_EQ(Waiting(), 3u);
  const auto next = Release(*slot);
  EXPECT_EQ(next.kind, Next::kServe);
  EXPECT_EQ(next.waiter, &before);
  EXPECT_EQ(Release(*slot).kind, Next::kClose);
  Closed(*slot);
  const auto own = Ordered(waiter);
  EXPECT_EQ(Opened(*own).waiter, &waiter);
  Close(*own);
  ASSERT_EQ(orders.open.size(), 1u);
  EXPECT_EQ(orders.open[0]->dedicated_to, 0u) << "for the one behind it";
}

TEST_F(PoolDedicatedTest, OnePlaceIsEnough) {
  Make(Limits(2));
  const auto a = Lease(0), b = Lease(0);
  Waiter waiter = At(0, 11);
  Ask(waiter);
  EXPECT_EQ(Release(*a).kind, Next::kClose);
  EXPECT_EQ(Release(*b).kind, Next::kIdle);
  Closed(*a);
  Ordered(waiter);
  EXPECT_EQ(b->state, SlotState::kIdle);
}

TEST_F(PoolDedicatedTest, WhoLeavesGivesItsPlaceBack) {
  Make(Limits(1));
  Waiter waiter = At(0, 11), second = At(0, 12);
  Ask(waiter);
  const auto slot = Ordered(waiter);
  Ask(second);
  EXPECT_TRUE(Cancel(waiter));
  EXPECT_EQ(Opened(*slot).kind, Next::kClose) << "nobody else may have it";
  Closed(*slot);
  const auto again = Ordered(second);
  Fail(*again, OpenFailure::Kind::kRefused);
  Ask(waiter);
  EXPECT_EQ(Ordered(waiter)->state, SlotState::kLogin);
  Ask(second);
  EXPECT_TRUE(Cancel(second));
  EXPECT_FALSE(Cancel(second));
  EXPECT_EQ(Waiting(), 0u);
}

TEST_F(PoolDedicatedTest, AFailureIsItsClientsAlone) {
  Make(Limits(2));
  Waiter waiter = At(1, 11), shared = At(0, 12);
  Ask(waiter);
  const auto slot = Ordered(waiter);
  Acquire(shared);
  EXPECT_EQ(orders.open.size(), 1u) << "its login counts for nobody else";
  Fail(*slot, OpenFailure::Kind::kRefused);
  ASSERT_EQ(orders.failed.size(), 1u);
  EXPECT_EQ(orders.failed[0].owner_id, 11u);
  EXPECT_EQ(orders.failed[0].worker, 1u);
  EXPECT_EQ(orders.failure->server_error, "error");
  EXPECT_FALSE(pool->Count(now).is_down);
  EXPECT_EQ(waiter.state, WaiterState::kNone);
  EXPECT_EQ(shared.state, WaiterState::kQueued);
}

TEST_F(PoolDedicatedTest, ItIsOpenedAlthoughTheOthersAreDown) {
  Make(Limits(2));
  Waiter shared = At(0, 12), late = At(0, 13), waiter = At(0, 11);
  Acquire(shared);
  const auto failed = orders.open.front();
  Fail(*failed, OpenFailure::Kind::kRefused);
  ASSERT_EQ(orders.failed.size(), 1u);
  const auto slot = OpenFor(waiter);
  EXPECT_TRUE(pool->Count(now).is_down);
  EXPECT_EQ(Acquire(late).kind, Acquired::kRefused) << "a server that only one may use helps nobody";
}

TEST_F(PoolDedicatedTest, APauseHoldsItAndWaitsForIt) {
  Make(Limits(2));
  Waiter one = At(0, 11), two = At(0, 12), three = At(0, 13);
  const auto slot = OpenFor(one);
  Ask(two);
  const auto in_login = Ordered(two);
  SetMode(RunMode::kPaused);
  EXPECT_EQ(Opened(*in_login).kind, Next::kClose);
  Closed(*in_login);
  EXPECT_EQ(two.state, WaiterState::kQueued);
  EXPECT_EQ(Ask(three).kind, Acquired::kQueued);
  EXPECT_TRUE(orders.open.empty());
  EXPECT_EQ(Open(), 1) << "who has one keeps it";
  SetMode(RunMode::kRunning);
  Ordered(two);
  Close(*slot);
  Ordered(three);
}

TEST_F(PoolDedicatedTest, ReconnectDuringItsLoginOpensItAnew) {
  Make(Limits(2));
  Waiter waiter = At(0, 11);
  Ask(waiter);
  const auto slot = Ordered(waiter);
  orders = {};
  pool->CloseAll(now, orders);
  EXPECT_EQ(Opened(*slot).kind, Next::kClose);
  EXPECT_EQ(Opened(*Ordered(waiter)).waiter, &waiter);
}

TEST_F(PoolDedicatedTest, LimitsOfTheQueueAndOfTheLoginsHold) {
  auto limits = Limits(5);
  limits.max_parallel_connects = 1;
  limits.max_waiting = 2;
  Make(limits);
  Waiter one = At(0, 11), two = At(0, 12), three = At(0, 13), four = At(0, 14);
  Ask(one);
  const auto slot = Ordered(one);
  Ask(two);
  EXPECT_TRUE(orders.open.empty());
  Ask(three);
  EXPECT_EQ(Ask(four).kind, Acquired::kQueueFull);
  EXPECT_EQ(Opened(*slot).waiter, &one);
  Ordered(two);
  EXPECT_EQ(Ask(four).kind, Acquired::kQueued);
  orders = {};
  pool->FailWaiters(std::make_shared<OpenFailure>(), orders);
  EXPECT_EQ(orders.failed.size(), 3u);
  EXPECT_EQ(Waiting(), 0u);
  SetMode(RunMode::kRemoved);
  EXPECT_EQ(Ask(four).kind, Acquired::kRemoved);
}

TEST_F(PoolDedicatedTest, TheReserveIsForItToo) {
  auto limits = Limits(1);
  limits.reserve_size = 1;
  limits.reserve_timeout = Duration(100);
  Make(limits);
  const auto slot = Lease(0);
  Waiter waiter = At(0, 11);
  Ask(waiter);
  EXPECT_TRUE(orders.open.empty());
  EXPECT_EQ(orders.wake_at, now + Duration(100));
  now += Duration(100);
  Tick();
  Ordered(waiter);
}

TEST_F(PoolDedicatedTest, WarmServersAreKeptBesideIt) {
  auto limits = Limits(3);
  limits.min_size = 1;
  limits.idle_timeout = Duration(1'000);
  Make(limits);
  Waiter waiter = At(0, 11);
  Ask(waiter);
  ASSERT_EQ(orders.open.size(), 2u);
  const auto own = orders.open[0], warm = orders.open[1];
  EXPECT_EQ(warm->dedicated_to, 0u);
  Opened(*own);
  EXPECT_EQ(Opened(*warm).kind, Next::kIdle);
  now += Duration(2'000'000'000);
  Tick();
  EXPECT_TRUE(orders.close.empty()) << "the only one that is for whoever comes";
  EXPECT_TRUE(orders.open.empty());
}

}  // namespace
}  // namespace pool
