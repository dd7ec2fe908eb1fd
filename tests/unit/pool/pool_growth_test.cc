// Opening connections: how many, when, after which failure.
#include <deque>

#include "tests/unit/pool/pool_fixture.h"

namespace pool {
namespace {

class PoolGrowthTest : public PoolTest {
 protected:
  Waiter& Wait(WorkerId worker = 0) {
    waiters_.push_back(At(worker, waiters_.size()));
    EXPECT_EQ(Acquire(waiters_.back()).kind, Acquired::kQueued);
    return waiters_.back();
  }
  std::deque<Waiter> waiters_;
};

TEST_F(PoolGrowthTest, ProbesAloneUntilALoginSucceededThenOpensInParallel) {
  for (const int parallel : {1, 2, 3}) {
    auto limits = Limits(10);
    limits.max_parallel_connects = parallel;
    Make(limits);
    Wait(1);
    ASSERT_EQ(orders.open.size(), 1u);
    const auto probe = orders.open[0];
    EXPECT_EQ(probe->worker, 1u);
    for (int i = 0; i < 5; ++i) {
      Wait();
      EXPECT_TRUE(orders.open.empty());
    }
    EXPECT_EQ(Opened(*probe).kind, Next::kServe);
    EXPECT_EQ(orders.open.size(), static_cast<size_t>(parallel));
    EXPECT_EQ(CountOf(SlotState::kLogin), parallel);
    pool->FailWaiters(std::make_shared<OpenFailure>(), orders);
  }
}

TEST_F(PoolGrowthTest, OpensNoMoreThanThereAreWaiters) {
  Make(Limits(10));
  const auto slot = Lease(0);
  Wait();
  EXPECT_EQ(orders.open.size(), 1u);
  Wait();
  EXPECT_EQ(orders.open.size(), 1u);
  Tick();
  EXPECT_TRUE(orders.open.empty());
  EXPECT_EQ(CountOf(SlotState::kLogin), 2);
}

TEST_F(PoolGrowthTest, NeverPassesSize) {
  Make(Limits(3));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Open(), i);
    (void)Lease(0);
  }
  Wait();
  EXPECT_TRUE(orders.open.empty());
  EXPECT_EQ(Open(), 3);
}

TEST_F(PoolGrowthTest, AClosingServerKeepsItsPlace) {
  Make(Limits(1));
  const auto slot = Lease(0);
  Wait();
  orders = {};
  pool->BeginClose(*slot, now, orders);
  EXPECT_TRUE(orders.open.empty());
  pool->Closed(*slot, now, orders);
  EXPECT_EQ(orders.open.size(), 1u);
}

TEST_F(PoolGrowthTest, UsesTheReserveAfterReserveTimeoutExactly) {
  auto limits = Limits(1);
  limits.reserve_size = 2;
  limits.reserve_timeout = Duration(100'000);
  Make(limits);
  const auto slot = Lease(0);
  const TimePoint due = now + limits.reserve_timeout;
  for (int i = 0; i < 3; ++i) {
    Wait();
    EXPECT_EQ(orders.wake_at, due);
  }
  now = due - Duration(1);
  Tick();
  EXPECT_TRUE(orders.open.empty());
  EXPECT_EQ(orders.wake_at, due);
  now = due;
  Tick();
  EXPECT_EQ(orders.open.size(), 2u);  // three wait; the reserve has two
  EXPECT_EQ(Open(), 3);
}

TEST_F(PoolGrowthTest, KeepsMinSizeWithoutWaitersOnEveryWorker) {
  auto limits = Limits(4);
  limits.min_size = 3;
  Make(limits);
  Tick();
  ASSERT_EQ(orders.open.size(), 1u);
  auto slot = orders.open[0];
  EXPECT_EQ(Opened(*slot).kind, Next::kIdle);
  ASSERT_EQ(orders.open.size(), 2u);
  EXPECT_NE(orders.open[0]->worker, orders.open[1]->worker);
  const auto rest = orders.open;
  for (const auto& each : rest) EXPECT_EQ(Opened(*each).kind, Next::kIdle);
  EXPECT_TRUE(orders.open.empty());
  orders = {};
  pool->BeginClose(*slot, now, orders);
  EXPECT_EQ(orders.open.size(), 1u);  // one that closes does not count for min_size
}

TEST_F(PoolGrowthTest, RefusedLoginFailsTheWaitersWhenNoUsableServerIsLeft) {
  Make(Limits(2));
  Wait();
  const auto probe = orders.open[0];
  Wait(1);
  Fail(*probe, OpenFailure::Kind::kRefused);
  ASSERT_EQ(orders.failed.size(), 2u);
  EXPECT_EQ(orders.failed[0].owner_id, 0u);
  EXPECT_EQ(orders.failed[1].owner_id, 1u);
  EXPECT_EQ(orders.failed[1].worker, 1u);
  ASSERT_NE(orders.failure, nullptr);
  EXPECT_EQ(orders.failure->server_error, "error");
  EXPECT_EQ(Open(), 0);
  EXPECT_TRUE(pool->Count(now).is_down);
  EXPECT_EQ(pool->LastFailure().cause, "cause");

  Waiter newcomer = At(0);
  EXPECT_EQ(Acquire(newcomer).kind, Acquired::kRefused);
  EXPECT_EQ(newcomer.state, WaiterState::kNone);
  now += kRetryFirst;
  EXPECT_EQ(Acquire(newcomer).kind, Acquired::kQueued);
  EXPECT_EQ(orders.open.size(), 1u);
  Cancel(newcomer);
}

TEST_F(PoolGrowthTest, RefusedLoginLeavesTheWaitersToTheServersThatAreLeft) {
  Make(Limits(2));
  const auto slot = Lease(0);
  Waiter& waiter = Wait();
  Fail(*orders.open[0], OpenFailure::Kind::kRefused);
  EXPECT_TRUE(orders.failed.empty());
  EXPECT_EQ(waiter.state, WaiterState::kQueued);
  Waiter& newcomer = Wait();
  EXPECT_EQ(Release(*slot).waiter, &waiter);
  EXPECT_EQ(Release(*slot).waiter, &newcomer);
}

TEST_F(PoolGrowthTest, NewcomersAreRefusedAlsoBehindAQueueWhenTheLastServerEnds) {
  Make(Limits(2));
  const auto slot = Lease(0);
  Wait();
  Fail(*orders.open[0], OpenFailure::Kind::kRefused);
  Close(*slot);
  Waiter newcomer = At(0);
  EXPECT_EQ(Acquire(newcomer).kind, Acquired::kRefused);
}

TEST_F(PoolGrowthTest, UnreachableForTheHoldTellsTheWaitersAndWhoComes) {
  PoolLimits limits = Limits(4);
  limits.failover_hold = Duration(2'000'000);
  Make(limits);
  Waiter& waiter = Wait();
  auto probe = orders.open[0];
  const TimePoint since = now;
  while (now - since < limits.failover_hold) {
    Fail(*probe, OpenFailure::Kind::kUnreachable);
    ASSERT_TRUE(orders.failed.empty()) << (now - since).count();
    now = orders.wake_at;
    Tick();
    ASSERT_EQ(orders.open.size(), 1u);
    probe = orders.open[0];
  }
  Fail(*probe, OpenFailure::Kind::kUnreachable);
  ASSERT_EQ(orders.failed.size(), 1u);
  EXPECT_EQ(waiter.state, WaiterState::kNone);
  ASSERT_TRUE(orders.failure);
  Waiter newcomer = At(0);
  EXPECT_EQ(Acquire(newcomer).kind, Acquired::kRefused);
  now += kUnreachableRetryMax;
  EXPECT_EQ(Acquire(newcomer).kind, Acquired::kQueued) << "it has the server tried";
  EXPECT_EQ(orders.open.size(), 1u);
}

TEST_F(PoolGrowthTest, UnreachableKeepsTheWaitersAndRetriesAtMostHalfASecondApart) {
  Make(Limits(4));
  const TimePoint since = now;
  Waiter& waiter = Wait();
  auto probe = orders.open[0];
  Wait();
  for (int failures = 1; failures < 20; ++failures) {
    Fail(*probe, OpenFailure::Kind::kUnreachable);
    EXPECT_TRUE(orders.failed.empty());
    EXPECT_TRUE(orders.open.empty());
    EXPECT_EQ(waiter.state, WaiterState::kQueued);
    ASSERT_NE(orders.wake_at, kNever);
    EXPECT_GT(orders.wake_at, now);
    EXPECT_LE(orders.wake_at - now, kUnreachableRetryMax);
    if (failures > 6) {
      EXPECT_GE(orders.wake_at - now, kUnreachableRetryMax * 3 / 4);
    }
    const TimePoint retry = orders.wake_at;
    now = retry - Duration(1);
    Tick();
    EXPECT_TRUE(orders.open.empty());
    EXPECT_EQ(orders.wake_at, retry);
    now = retry;
    Tick();
    ASSERT_EQ(orders.open.size(), 1u);  // one probe, although two wait
    probe = orders.open[0];
  }
  EXPECT_EQ(pool->Count(now).down_since, since);
  EXPECT_EQ(Opened(*probe).waiter, &waiter);
  EXPECT_EQ(orders.open.size(), 1u);
  EXPECT_FALSE(pool->Count(now).is_down);
}

}  // namespace
}  // namespace pool
