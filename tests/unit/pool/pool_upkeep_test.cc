// Lifetimes, idle timeouts, pause, removal, RECONNECT, changed limits.
#include <set>

#include "tests/unit/pool/pool_fixture.h"

namespace pool {
namespace {

class PoolUpkeepTest : public PoolTest {
 protected:
  std::vector<std::shared_ptr<Slot>> LeaseMany(int count) {
    std::vector<std::shared_ptr<Slot>> slots;
    for (int i = 0; i < count; ++i) slots.push_back(Lease(0));
    return slots;
  }
  std::vector<std::shared_ptr<Slot>> IdleMany(int count) {
    auto slots = LeaseMany(count);
    for (const auto& slot : slots) EXPECT_EQ(Release(*slot).kind, Next::kIdle);
    return slots;
  }
};

TEST_F(PoolUpkeepTest, ReleaseClosesAServerAtTheEndOfItsLife) {
  for (const int beyond : {-1, 0, 1}) {
    auto limits = Limits(1);
    limits.lifetime = Duration(1'000'000);
    Make(limits);
    const auto slot = Lease(0);
    now += limits.lifetime + Duration(beyond);
    EXPECT_EQ(Release(*slot).kind, beyond < 0 ? Next::kIdle : Next::kClose);
  }
}

TEST_F(PoolUpkeepTest, UnderLoadOldServersEndOneAtATime) {
  auto limits = Limits(3);
  limits.lifetime = Duration(1'000'000);
  Make(limits);
  const auto slots = LeaseMany(3);
  Waiter first = At(0), second = At(0);
  Acquire(first);
  Acquire(second);
  now += limits.lifetime;
  EXPECT_EQ(Release(*slots[0]).kind, Next::kClose);
  EXPECT_EQ(Release(*slots[1]).waiter, &first);
  EXPECT_EQ(Release(*slots[2]).waiter, &second);
  EXPECT_EQ(Release(*slots[1]).kind, Next::kClose);  // nobody waits: at once
  EXPECT_EQ(Release(*slots[2]).kind, Next::kClose);
}

TEST_F(PoolUpkeepTest, TheSuccessorIsOpenedBeforeTheLifetimeEnds) {
  auto limits = Limits(3);
  limits.lifetime = Duration(100'000'000);
  Make(limits);
  const auto used = Lease(0), forgotten = Lease(0);
  EXPECT_EQ(Release(*forgotten).kind, Next::kIdle);
  now += limits.lifetime - limits.lifetime / kSuccessorPart - Duration(1);
  Tick();
  EXPECT_TRUE(orders.open.empty());
  now += Duration(1);
  Tick();
  ASSERT_EQ(orders.open.size(), 1u) << "for the one that is in use";
  const auto successor = orders.open[0];
  Tick();
  EXPECT_TRUE(orders.open.empty()) << "once for each";
  EXPECT_EQ(Opened(*successor).kind, Next::kIdle);
  EXPECT_EQ(Release(*used).kind, Next::kIdle) << "its time has not come";
  now += limits.lifetime / kSuccessorPart;
  Tick();
  EXPECT_EQ(orders.close.size(), 1u);
  EXPECT_TRUE(orders.open.empty());
  EXPECT_EQ(CountOf(SlotState::kIdle), 2);
}

TEST_F(PoolUpkeepTest, WhereThereIsNoRoomForASuccessorItComesAfterwards) {
  auto limits = Limits(1);
  limits.lifetime = Duration(100'000'000);
  Make(limits);
  const auto only = Lease(0);
  now += limits.lifetime;
  Tick();
  EXPECT_TRUE(orders.open.empty());
  Waiter waiter = At(0);
  Acquire(waiter);
  EXPECT_EQ(Release(*only).kind, Next::kClose);
  orders = {};
  pool->Closed(*only, now, orders);
  EXPECT_EQ(orders.open.size(), 1u);
  Cancel(waiter);
}

TEST_F(PoolUpkeepTest, JitterIsSubtractedFromTheLifetime) {
  auto limits = Limits(30);
  limits.lifetime = Duration(1'000'000);
  limits.lifetime_jitter = 0.5;
  Make(limits);
  std::set<TimePoint> ends;
  for (const auto& slot : LeaseMany(30)) {
    EXPECT_GT(slot->expires_at, now + Duration(500'000) - Duration(1));
    EXPECT_LE(slot->expires_at, now + Duration(1'000'000));
    ends.insert(slot->expires_at);
  }
  EXPECT_GT(ends.size(), 25u);
  EXPECT_GT(*ends.rbegin() - *ends.begin(), Duration(250'000));  // spread over the range, not in a corner of it
}

TEST_F(PoolUpkeepTest, LifetimeZeroServesOnceWhoeverWaits) {
  auto limits = Limits(2);
  limits.lifetime = Duration(0);
  Make(limits);
  const auto slots = LeaseMany(2);
  Waiter first = At(0), second = At(0);
  Acquire(first);
  Acquire(second);
  EXPECT_EQ(Release(*slots[0]).kind, Next::kClose);
  EXPECT_EQ(Release(*slots[1]).kind, Next::kClose);
}

TEST_F(PoolUpkeepTest, LifetimeZeroKeepsAServerThatHasNotServedYet) {
  auto limits = Limits(1);
  limits.lifetime = Duration(0);
  limits.min_size = 1;
  Make(limits);
  Tick();
  const auto slot = orders.open.at(0);
  EXPECT_EQ(Opened(*slot).kind, Next::kIdle);
  now += Duration(10'000'000);
  Tick();
  EXPECT_TRUE(orders.close.empty());
  Waiter waiter = At(slot->worker);
  EXPECT_EQ(Acquire(waiter).kind, Acquired::kLeased);
  EXPECT_EQ(Release(*slot).kind, Next::kClose);
}

TEST_F(PoolUpkeepTest, TickRetiresOldIdleServersGradually) {
  auto limits = Limits(30);
  limits.lifetime = Duration(1'000'000);
  Make(limits);
  const auto slots = IdleMany(30);
  now += limits.lifetime - Duration(1);
  Tick();
  EXPECT_TRUE(orders.close.empty());
  now += Duration(1);
  Tick();
  ASSERT_EQ(orders.close.size(), 3u);    // a tenth
  EXPECT_EQ(orders.close[0], slots[0]);  // the one longest idle first
  EXPECT_EQ(CountOf(SlotState::kClosing), 3);
}

TEST_F(PoolUpkeepTest, IdleTimeoutEndsAtMinSize) {
  auto limits = Limits(5);
  limits.idle_timeout = Duration(1'000'000);
  limits.min_size = 2;
  Make(limits);
  std::vector<std::shared_ptr<Slot>> slots;
  Tick();  // min_size
  auto opening = orders.open;
  while (!opening.empty()) {
    const auto slot = opening.back();
    opening.pop_back();
    EXPECT_EQ(Opened(*slot).kind, Next::kIdle);
    for (const auto& more : orders.open) opening.push_back(more);
  }
  std::vector<Waiter> waiters(4);
  std::vector<std::shared_ptr<Slot>> leased;
  for (Waiter& waiter : waiters) {
    const auto acquired = Acquire(waiter);
    if (acquired.kind == Acquired::kLeased) {
      leased.push_back(acquired.slot->shared_from_this());
    } else if (!orders.move.empty()) {
      const auto move = orders.move[0];
      EXPECT_TRUE(pool->MayMove(*move.slot, move.from, move.to));
      EXPECT_EQ(Arrived(*move.slot).kind, Next::kServe);
      leased.push_back(move.slot);
    } else {
      const auto slot = orders.open.at(0);
      EXPECT_EQ(Opened(*slot).kind, Next::kServe);
      leased.push_back(slot);
    }
  }
  for (const auto& slot : leased) EXPECT_EQ(Release(*slot).kind, Next::kIdle);
  ASSERT_EQ(Open(), 4);
  now += limits.idle_timeout - Duration(1);
  Tick();
  EXPECT_TRUE(orders.close.empty());
  now += Duration(1);
  Tick();
  EXPECT_EQ(orders.close.size(), 2u);
  EXPECT_EQ(CountOf(SlotState::kIdle), 2);
  Tick();
  EXPECT_TRUE(orders.close.empty());
}

TEST_F(PoolUpkeepTest, IdleTimeoutZeroKeeps) {
  Make(Limits(1));
  IdleMany(1);
  now += Duration(1'000'000'000);
  Tick();
  EXPECT_TRUE(orders.close.empty());
}

TEST_F(PoolUpkeepTest, AnExpiredServerOfMinSizeIsReplacedWhileItCloses) {
  auto limits = Limits(2);
  limits.lifetime = Duration(1'000'000);
  limits.min_size = 1;
  Make(limits);
  Waiter waiter = At(0);
  Acquire(waiter);
  const auto slot = orders.open.at(0);
  EXPECT_EQ(Opened(*slot).waiter, &waiter);
  now += limits.lifetime;
  EXPECT_EQ(Release(*slot).kind, Next::kClose);
  EXPECT_EQ(orders.open.size(), 1u);
}

TEST_F(PoolUpkeepTest, PauseClosesTheIdleAndKeepsTheWaitersUntilResume) {
  Make(Limits(3));
  const auto slots = LeaseMany(3);
  EXPECT_EQ(Release(*slots[0]).kind, Next::kIdle);
  orders = {};
  pool->SetMode(RunMode::kPaused, now, orders);
  ASSERT_EQ(orders.close.size(), 1u);
  EXPECT_EQ(orders.close[0], slots[0]);
  EXPECT_EQ(pool->Count(now).mode, RunMode::kPaused);
  pool->Closed(*slots[0], now, orders);
  Waiter waiter = At(0);
  EXPECT_EQ(Acquire(waiter).kind, Acquired::kQueued);
  EXPECT_TRUE(orders.open.empty());
  EXPECT_EQ(Release(*slots[1]).kind, Next::kClose);  // not handed to the waiter
  Tick();
  EXPECT_TRUE(orders.empty());
  orders = {};
  pool->SetMode(RunMode::kRunning, now, orders);
  EXPECT_EQ(orders.open.size(), 1u);
  EXPECT_EQ(Release(*slots[2]).waiter, &waiter);
}

TEST_F(PoolUpkeepTest, AServerThatLogsInOrArrivesDuringPauseIsClosed) {
  Make(Limits(2));
  Waiter waiter = At(0), elsewhere = At(1);
  Acquire(waiter);
  const auto opening = orders.open.at(0);
  pool->SetMode(RunMode::kPaused, now, orders);
  EXPECT_EQ(Opened(*opening).kind, Next::kClose);
  pool->Closed(*opening, now, orders);
  Cancel(waiter);
  pool->SetMode(RunMode::kRunning, now, orders);
  const auto slot = Lease(0);
  Acquire(elsewhere);
  EXPECT_EQ(Release(*slot).kind, Next::kMove);
  pool->SetMode(RunMode::kPaused, now, orders);
  EXPECT_EQ(Arrived(*slot).waiter, &elsewhere);  // promised before the pause
  EXPECT_EQ(Release(*slot).kind, Next::kClose);
}

TEST_F(PoolUpkeepTest, ARemovedPoolTakesNobodyAndEmpties) {
  auto limits = Limits(2);
  limits.min_size = 1;
  Make(limits);
  const auto slots = LeaseMany(2);
  EXPECT_EQ(Release(*slots[0]).kind, Next::kIdle);
  orders = {};
  pool->SetMode(RunMode::kRemoved, now, orders);
  ASSERT_EQ(orders.close.size(), 1u);
  Waiter waiter = At(0);
  EXPECT_EQ(Acquire(waiter).kind, Acquired::kRemoved);
  EXPECT_EQ(pool->AcquireAgain(waiter, now, orders).kind, Acquired::kRemoved);
  EXPECT_EQ(waiter.state, WaiterState::kNone);
  pool->Closed(*slots[0], now, orders);
  EXPECT_EQ(Release(*slots[1]).kind, Next::kClose);
  pool->Closed(*slots[1], now, orders);
  Tick();
  EXPECT_TRUE(orders.open.empty());
  EXPECT_EQ(Open(), 0);
  EXPECT_EQ(database->used(), 0);
}

TEST_F(PoolUpkeepTest, CloseAllEndsTheIdleNowAndTheOthersAtRelease) {
  Make(Limits(5));
  const auto slots = LeaseMany(3);
  EXPECT_EQ(Release(*slots[0]).kind, Next::kIdle);
  Waiter waiter = At(1);
  Acquire(waiter);  // steals slot 0
  ASSERT_EQ(slots[0]->state, SlotState::kMoving);
  EXPECT_EQ(Release(*slots[1]).kind, Next::kIdle);
  Waiter opener = At(0);
  EXPECT_EQ(Acquire(opener).slot, slots[1].get());
  EXPECT_EQ(Release(*slots[1]).kind, Next::kIdle);
  orders = {};
  pool->CloseAll(now, orders);
  ASSERT_EQ(orders.close.size(), 1u);
  EXPECT_EQ(orders.close[0], slots[1]);
  EXPECT_EQ(pool->GivenUp(), 3);
  EXPECT_EQ(Release(*slots[2]).kind, Next::kClose);
  EXPECT_TRUE(pool->MayMove(*slots[0], 0, 1));
  EXPECT_EQ(Arrived(*slots[0]).waiter, &waiter);
  EXPECT_EQ(Release(*slots[0]).kind, Next::kClose);
  const auto fresh = Lease(0);
  EXPECT_EQ(Release(*fresh).kind, Next::kIdle);
}

TEST_F(PoolUpkeepTest, CloseAllDiscardsALoginThatWasStartedBeforeAndOpensANewOne) {
  Make(Limits(2));
  Waiter waiter = At(0);
  Acquire(waiter);
  const auto old = orders.open.at(0);
  pool->CloseAll(now, orders);
  EXPECT_EQ(Opened(*old).kind, Next::kClose);
  ASSERT_EQ(orders.open.size(), 1u);
  EXPECT_EQ(Opened(*orders.open[0]).waiter, &waiter);
}

TEST_F(PoolUpkeepTest, OneThatIsGivenUpEndsAtOnceWhenIdleElseAtItsRelease) {
  Make(Limits(3));
  const auto slots = LeaseMany(3);
  EXPECT_EQ(Release(*slots[0]).kind, Next::kIdle);
  EXPECT_EQ(Release(*slots[1]).kind, Next::kIdle);
  orders = {};
  pool->GiveUp(*slots[0], now, orders);
  ASSERT_EQ(orders.close.size(), 1u);
  EXPECT_EQ(orders.close[0], slots[0]);
  pool->GiveUp(*slots[0], now, orders);
  EXPECT_EQ(orders.close.size(), 1u) << "once";
  pool->GiveUp(*slots[2], now, orders);
  EXPECT_EQ(orders.close.size(), 1u) << "a client has it";
  EXPECT_EQ(pool->GivenUp(), 2);
  EXPECT_EQ(Release(*slots[2]).kind, Next::kClose);
  Waiter next = At(0);
  EXPECT_EQ(Acquire(next).slot, slots[1].get()) << "nothing happened to the others";
}

TEST_F(PoolUpkeepTest, OneThatIsGivenUpDuringItsLoginServesNobody) {
  Make(Limits(1));
  Waiter waiter = At(0);
  Acquire(waiter);
  const auto old = orders.open.at(0);
  pool->GiveUp(*old, now, orders);
  EXPECT_EQ(Opened(*old).kind, Next::kClose);
  pool->Closed(*old, now, orders);
  ASSERT_EQ(orders.open.size(), 1u);
  EXPECT_EQ(Opened(*orders.open[0]).waiter, &waiter);
}

TEST_F(PoolUpkeepTest, CloseAllForgetsTheFailure) {
  Make(Limits(2));
  Waiter waiter = At(0);
  Acquire(waiter);
  Fail(*orders.open.at(0), OpenFailure::Kind::kUnreachable);
  EXPECT_TRUE(orders.open.empty());
  orders = {};
  pool->CloseAll(now, orders);
  EXPECT_EQ(orders.open.size(), 1u);
  EXPECT_FALSE(pool->Count(now).is_down);
  Cancel(waiter);
}

TEST_F(PoolUpkeepTest, ALoweredSizeEndsTheSurplusAndNoMore) {
  Make(Limits(6));
  const auto slots = LeaseMany(6);
  EXPECT_EQ(Release(*slots[0]).kind, Next::kIdle);
  orders = {};
  pool->SetLimits(Limits(3), now, orders);
  EXPECT_EQ(pool->limits().size, 3);
  ASSERT_EQ(orders.close.size(), 1u);  // the idle one
  EXPECT_EQ(Release(*slots[1]).kind, Next::kClose);
  EXPECT_EQ(Release(*slots[2]).kind, Next::kClose);
  // Three stay, although the three that close still count as open.
  EXPECT_EQ(Open(), 6);
  for (int i = 3; i < 6; ++i) EXPECT_EQ(Release(*slots[static_cast<size_t>(i)]).kind, Next::kIdle);
  for (int i = 0; i < 3; ++i) pool->Closed(*slots[static_cast<size_t>(i)], now, orders);
  EXPECT_EQ(Open(), 3);
}

TEST_F(PoolUpkeepTest, ARaisedSizeServesTheWaitersAtOnce) {
  Make(Limits(1));
  const auto slot = Lease(0);
  Waiter waiter = At(0);
  Acquire(waiter);
  EXPECT_TRUE(orders.open.empty());
  orders = {};
  pool->SetLimits(Limits(2), now, orders);
  EXPECT_EQ(orders.open.size(), 1u);
  Cancel(waiter);
}

TEST_F(PoolUpkeepTest, CountTellsTheOldestWait) {
  Make(Limits(1));
  const auto slot = Lease(0);
  EXPECT_EQ(pool->Count(now).oldest_wait, Duration(0));
  Waiter first = At(1), second = At(0);
  Acquire(first);
  now += Duration(300);
  Acquire(second);
  now += Duration(500);
  EXPECT_EQ(pool->Count(now).waiting, 2u);
  EXPECT_EQ(pool->Count(now).oldest_wait, Duration(800));
  Cancel(first);
  EXPECT_EQ(pool->Count(now).oldest_wait, Duration(500));
  Cancel(second);
}

TEST_F(PoolUpkeepTest, WorkersAreBounded) {
  Make(Limits(1), 1);
  Make(Limits(1), kWorkersMax);
}

TEST_F(PoolUpkeepTest, NoOrTooManyWorkersAreABrokenInvariantDeathTest) {
  EXPECT_DEATH(Make(Limits(1), 0), "broken invariant");
  EXPECT_DEATH(Make(Limits(1), kWorkersMax + 1), "broken invariant");
}

}  // namespace
}  // namespace pool
