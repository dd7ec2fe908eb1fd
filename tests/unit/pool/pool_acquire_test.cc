// Acquire, release, the order of service, moving between workers.
#include "tests/unit/pool/pool_fixture.h"

namespace pool {
namespace {

using PoolAcquireTest = PoolTest;

TEST_F(PoolAcquireTest, LeasesOwnIdleServersLastInFirstOut) {
  Make(Limits(3));
  const auto a = Lease(0), b = Lease(0), c = Lease(0);
  for (const auto& slot : {b, a, c}) EXPECT_EQ(Release(*slot).kind, Next::kIdle);
  Waiter waiter = At(0);
  for (const auto& slot : {c, a, b}) {
    const Pool::Acquired acquired = Acquire(waiter);
    EXPECT_EQ(acquired.kind, Acquired::kLeased);
    EXPECT_EQ(acquired.slot, slot.get());
    EXPECT_TRUE(orders.empty());
  }
}

TEST_F(PoolAcquireTest, NeverLeasesAServerThatDiedWhileIdle) {
  Make(Limits(2));
  const auto good = Lease(0), dead = Lease(0);
  EXPECT_EQ(Release(*good).kind, Next::kIdle);
  EXPECT_EQ(Release(*dead).kind, Next::kIdle);
  pool->BeginClose(*dead, now, orders);
  Waiter waiter = At(0);
  EXPECT_EQ(Acquire(waiter).slot, good.get());
}

TEST_F(PoolAcquireTest, PrefersItsOwnWorkersServerToAFresherOneElsewhere) {
  Make(Limits(2));
  const auto own = Lease(1), other = Lease(0);
  EXPECT_EQ(Release(*own).kind, Next::kIdle);
  EXPECT_EQ(Release(*other).kind, Next::kIdle);
  Waiter waiter = At(1);
  EXPECT_EQ(Acquire(waiter).slot, own.get());
}

TEST_F(PoolAcquireTest, StealsAnIdleServerFromAnotherWorker) {
  Make(Limits(2));
  const auto slot = Lease(0);
  EXPECT_EQ(Release(*slot).kind, Next::kIdle);
  Waiter waiter = At(1);
  EXPECT_EQ(Acquire(waiter).kind, Acquired::kQueued);
  EXPECT_EQ(waiter.state, WaiterState::kGranted);
  EXPECT_TRUE(orders.open.empty());
  ASSERT_EQ(orders.move.size(), 1u);
  EXPECT_EQ(orders.move[0].slot, slot);
  EXPECT_EQ(orders.move[0].from, 0u);
  EXPECT_EQ(orders.move[0].to, 1u);
  EXPECT_TRUE(pool->MayMove(*slot, 0, 1));
  const Pool::Next next = Arrived(*slot);
  EXPECT_EQ(next.kind, Next::kServe);
  EXPECT_EQ(next.waiter, &waiter);
  EXPECT_FALSE(next.check_first);
  EXPECT_EQ(waiter.state, WaiterState::kNone);
  EXPECT_EQ(slot->state, SlotState::kActive);
}

TEST_F(PoolAcquireTest, ServesFirstComeFirstServedOnAWorker) {
  Make(Limits(1));
  const auto slot = Lease(0);
  Waiter waiters[] = {At(0), At(0), At(0)};
  for (Waiter& waiter : waiters) EXPECT_EQ(Acquire(waiter).kind, Acquired::kQueued);
  for (Waiter& waiter : waiters) {
    const Pool::Next next = Release(*slot);
    EXPECT_EQ(next.kind, Next::kServe);
    EXPECT_EQ(next.waiter, &waiter);
    EXPECT_EQ(waiter.state, WaiterState::kNone);
    EXPECT_TRUE(orders.empty());
  }
  EXPECT_EQ(Release(*slot).kind, Next::kIdle);
}

TEST_F(PoolAcquireTest, PrefersItsOwnWaiterUpToTheSlack) {
  for (const int beyond : {-1, 0, 1}) {
    Make(Limits(1));
    const auto slot = Lease(0);
    Waiter elsewhere = At(1), own = At(0);
    EXPECT_EQ(Acquire(elsewhere).kind, Acquired::kQueued);
    now += kHandoverSlack + Duration(beyond);
    EXPECT_EQ(Acquire(own).kind, Acquired::kQueued);
    const Pool::Next next = Release(*slot);
    if (beyond <= 0) {
      EXPECT_EQ(next.kind, Next::kServe);
      EXPECT_EQ(next.waiter, &own);
      EXPECT_EQ(Release(*slot).kind, Next::kMove);  // nobody left here
    } else {
      EXPECT_EQ(next.kind, Next::kMove);
    }
    EXPECT_EQ(slot->grant, &elsewhere);
    EXPECT_EQ(slot->worker, 1u);
    EXPECT_EQ(elsewhere.state, WaiterState::kGranted);
    EXPECT_EQ(Arrived(*slot).waiter, &elsewhere);
    if (beyond > 0) {
      EXPECT_TRUE(Cancel(own));
    }
  }
}

TEST_F(PoolAcquireTest, AWaiterCancelledInTheQueueIsPassedOver) {
  Make(Limits(1));
  const auto slot = Lease(0);
  Waiter first = At(0), second = At(0);
  Acquire(first);
  Acquire(second);
  EXPECT_TRUE(Cancel(first));
  EXPECT_FALSE(Cancel(first));
  EXPECT_EQ(Release(*slot).waiter, &second);
  EXPECT_FALSE(Cancel(second));
}

TEST_F(PoolAcquireTest, AServerWhoseWaiterLeftInTransitServesTheNextOrRests) {
  Make(Limits(1));
  const auto slot = Lease(0);
  Waiter granted = At(1), next_one = At(1);
  for (const bool somebody_waits : {true, false}) {
    Acquire(granted);
    if (slot->state == SlotState::kActive) {
      EXPECT_EQ(Release(*slot).to, 1u);
    }
    if (somebody_waits) Acquire(next_one);
    EXPECT_TRUE(Cancel(granted));
    EXPECT_EQ(slot->grant, nullptr);
    const Pool::Next next = Arrived(*slot);
    EXPECT_EQ(next.kind, somebody_waits ? Next::kServe : Next::kIdle);
    EXPECT_EQ(next.waiter, somebody_waits ? &next_one : nullptr);
    if (somebody_waits) {
      slot->worker = 0;  // as if it had come back: the second round starts as the first
    }
  }
}

TEST_F(PoolAcquireTest, AWaiterWhosePromisedServerDiesGoesBackToWhereItStood) {
  Make(Limits(2));
  const auto dying = Lease(0), busy = Lease(1);
  Waiter oldest = At(1), younger = At(1);
  EXPECT_EQ(Acquire(oldest).kind, Acquired::kQueued);
  EXPECT_EQ(Release(*dying).kind, Next::kMove);
  EXPECT_EQ(Acquire(younger).kind, Acquired::kQueued);
  pool->BeginClose(*dying, now, orders);
  EXPECT_EQ(oldest.state, WaiterState::kQueued);
  EXPECT_EQ(oldest.grant, nullptr);
  EXPECT_EQ(Release(*busy).waiter, &oldest);
  EXPECT_EQ(Release(*busy).waiter, &younger);
}

TEST_F(PoolAcquireTest, AStolenServerThatDiesSendsItsWaiterBackInFrontOfNewcomers) {
  Make(Limits(2));
  const auto dying = Lease(0), busy = Lease(1);
  EXPECT_EQ(Release(*dying).kind, Next::kIdle);
  Waiter oldest = At(1), younger = At(1);
  EXPECT_EQ(Acquire(oldest).kind, Acquired::kQueued);
  EXPECT_EQ(oldest.state, WaiterState::kGranted);
  EXPECT_EQ(Acquire(younger).kind, Acquired::kQueued);
  pool->BeginClose(*dying, now, orders);
  EXPECT_FALSE(pool->MayMove(*dying, 0, 1));
  EXPECT_EQ(Release(*busy).waiter, &oldest);
  EXPECT_TRUE(Cancel(younger));
}

TEST_F(PoolAcquireTest, AWaiterWhosePromisedServerDiesGetsAnIdleOneAtOnce) {
  Make(Limits(2));
  const auto dying = Lease(0), other = Lease(1);
  EXPECT_EQ(Release(*dying).kind, Next::kIdle);
  Waiter waiter = At(1);
  EXPECT_EQ(Acquire(waiter).kind, Acquired::kQueued);
  EXPECT_EQ(Release(*other).kind, Next::kIdle);
  orders = {};
  pool->BeginClose(*dying, now, orders);
  EXPECT_EQ(waiter.state, WaiterState::kGranted);
  EXPECT_EQ(Waiting(), 0u);
  ASSERT_EQ(orders.move.size(), 1u);
  EXPECT_EQ(orders.move[0].slot, other);
  EXPECT_TRUE(pool->MayMove(*other, 1, 1));
  EXPECT_EQ(Arrived(*other).waiter, &waiter);
}

TEST_F(PoolAcquireTest, AServerDeadBeforeItsUseSendsItsClientBackInFront) {
  auto limits = Limits(2);
  limits.max_waiting = 1;
  Make(limits);
  const auto dead = Lease(0), busy = Lease(0);
  EXPECT_EQ(Release(*dead).kind, Next::kIdle);
  Waiter first = At(0), newcomer = At(0);
  EXPECT_EQ(Acquire(first).slot, dead.get());
  EXPECT_EQ(Acquire(newcomer).kind, Acquired::kQueued);  // the queue is full now
  pool->BeginClose(*dead, now, orders);
  EXPECT_EQ(pool->AcquireAgain(first, now, orders).kind, Acquired::kQueued);
  EXPECT_EQ(Release(*busy).waiter, &first);
  EXPECT_EQ(Release(*busy).waiter, &newcomer);
}

TEST_F(PoolAcquireTest, AcquireAgainTakesAnotherIdleServer) {
  Make(Limits(2));
  const auto good = Lease(0), dead = Lease(0);
  EXPECT_EQ(Release(*good).kind, Next::kIdle);
  EXPECT_EQ(Release(*dead).kind, Next::kIdle);
  Waiter waiter = At(0);
  EXPECT_EQ(Acquire(waiter).slot, dead.get());
  pool->BeginClose(*dead, now, orders);
  EXPECT_EQ(pool->AcquireAgain(waiter, now, orders).slot, good.get());
}

TEST_F(PoolAcquireTest, RefusesBeyondMaxWaiting) {
  for (const int more : {-1, 0, 1}) {
    auto limits = Limits(1);
    limits.max_waiting = 3;
    Make(limits);
    const auto slot = Lease(0);
    std::vector<Waiter> waiters(static_cast<size_t>(3 + more));
    for (size_t i = 0; i < waiters.size(); ++i) {
      EXPECT_EQ(Acquire(waiters[i]).kind, i < 3 ? Acquired::kQueued : Acquired::kQueueFull);
    }
    if (more == 1) {
      EXPECT_EQ(waiters[3].state, WaiterState::kNone);
    }
    EXPECT_EQ(Waiting(), std::min<size_t>(3, waiters.size()));
    for (Waiter& waiter : waiters) Cancel(waiter);
  }
}

TEST_F(PoolAcquireTest, ChecksAServerThatWasIdleForLongerThanCheckDelay) {
  for (const int beyond : {-1, 0, 1}) {
    Make(Limits(1));
    const auto slot = Lease(0);
    EXPECT_EQ(Release(*slot).kind, Next::kIdle);
    now += Duration(30'000'000 + beyond);
    Waiter own = At(0);
    EXPECT_EQ(Acquire(own).check_first, beyond > 0);
    EXPECT_EQ(Release(*slot).kind, Next::kIdle);
    now += Duration(30'000'000 + beyond);
    Waiter elsewhere = At(1);
    EXPECT_EQ(Acquire(elsewhere).kind, Acquired::kQueued);
    EXPECT_TRUE(pool->MayMove(*slot, 0, 1));
    EXPECT_EQ(Arrived(*slot).check_first, beyond > 0);
  }
}

TEST_F(PoolAcquireTest, AServerHandedOverIsNotChecked) {
  Make(Limits(1));
  const auto slot = Lease(0);
  EXPECT_EQ(Release(*slot).kind, Next::kIdle);
  Waiter own = At(0), elsewhere = At(1);
  EXPECT_EQ(Acquire(own).kind, Acquired::kLeased);
  now += Duration(60'000'000);  // long in use
  EXPECT_EQ(Acquire(elsewhere).kind, Acquired::kQueued);
  EXPECT_EQ(Release(*slot).kind, Next::kMove);
  EXPECT_FALSE(Arrived(*slot).check_first);
}

TEST_F(PoolAcquireTest, FailWaitersFailsTheQueuedAndThePromised) {
  Make(Limits(1));
  const auto slot = Lease(0);
  Waiter promised = At(1, 11), queued = At(0, 12);
  Acquire(promised);
  EXPECT_EQ(Release(*slot).kind, Next::kMove);
  Acquire(queued);
  const auto why = std::make_shared<OpenFailure>();
  orders = {};
  pool->FailWaiters(why, orders);
  ASSERT_EQ(orders.failed.size(), 2u);
  EXPECT_EQ(orders.failed[0].owner_id, 11u);
  EXPECT_EQ(orders.failed[0].worker, 1u);
  EXPECT_EQ(orders.failed[1].owner_id, 12u);
  EXPECT_EQ(orders.failure, why);
  EXPECT_FALSE(Cancel(promised));
  EXPECT_FALSE(Cancel(queued));
  EXPECT_EQ(Arrived(*slot).kind, Next::kIdle);
}

}  // namespace
}  // namespace pool
