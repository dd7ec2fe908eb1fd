// Who is shed from an overloaded queue, and when nobody is.
#include "tests/unit/pool/pool_fixture.h"

namespace pool {
namespace {

constexpr Duration kTarget{100'000}, kInterval{1'000'000}, kStep{10'000};

class PoolShedTest : public PoolTest {
 protected:
  void MakeWith(int size) {
    auto limits = Limits(size);
    limits.overload = {kTarget, kInterval};
    limits.max_waiting = 100'000;
    Make(limits);
    for (int i = 0; i < size; ++i) slots_.push_back(Lease(0));
  }
  ~PoolShedTest() override {
    for (const auto& waiter : waiters_) pool->Cancel(*waiter, Leaves::kSentAway, now);
  }

  Waiter& Queue(WorkerId worker = 0) {
    waiters_.push_back(std::make_unique<Waiter>(At(worker, waiters_.size())));
    EXPECT_EQ(Acquire(*waiters_.back()).kind, Acquired::kQueued);
    return *waiters_.back();
  }
  // A step of time in which so many come and one server is returned. Returns how many were shed then.
  size_t Step(int come = 1) {
    for (int i = 0; i < come; ++i) Queue();
    now += kStep;
    Slot& slot = *slots_[turn_++ % slots_.size()];
    const bool moves = Release(slot).kind == Next::kMove;
    shed_ = orders.shed;
    if (moves) Arrived(slot);
    return shed_.size();
  }
  // Until everybody who was served has waited longer than the target, for almost a whole interval.
  void Overload() {
    while (pool->Count(now).oldest_wait <= kTarget) EXPECT_EQ(Step(3), 0u);
    for (Duration passed{0}; passed < kInterval - 2 * kStep; passed += kStep) EXPECT_EQ(Step(3), 0u);
  }

  std::vector<std::shared_ptr<Slot>> slots_;
  std::vector<std::unique_ptr<Waiter>> waiters_;
  std::vector<Orders::Failed> shed_;  // by the last step
  size_t turn_ = 0;
};

TEST_F(PoolShedTest, ShedsOldestFirstWhenAWholeIntervalWasAboveTheTarget) {
  MakeWith(1);
  Overload();
  EXPECT_FALSE(pool->Count(now).is_shedding);
  size_t shed = 0;
  while (shed == 0) shed = Step(3);
  EXPECT_TRUE(pool->Count(now).is_shedding);
  ASSERT_LE(shed, static_cast<size_t>(kShedAtOnce));
  for (size_t i = 1; i < shed; ++i) EXPECT_LT(shed_[i - 1].owner_id, shed_[i].owner_id);
  for (const auto& gone : shed_) {
    EXPECT_EQ(waiters_[gone.owner_id]->state, WaiterState::kNone);
    EXPECT_GT(now - waiters_[gone.owner_id]->since, kTarget);
  }
  // From then on everybody is served within the target.
  for (int i = 0; i < 100; ++i) Step(3);
  EXPECT_LE(pool->Count(now).oldest_wait, kTarget + kStep);
}

TEST_F(PoolShedTest, EndsWhenSomebodyIsServedWithinHalfTheTarget) {
  MakeWith(1);
  Overload();
  while (!pool->Count(now).is_shedding) Step(3);
  for (int i = 0; pool->Count(now).is_shedding; ++i) Step(i % 3 == 0 ? 1 : 0);
  EXPECT_GT(Waiting(), 0u);
  EXPECT_LE(pool->Count(now).oldest_wait, kTarget / 2 + kStep);
  Overload();  // and begins no sooner than the first time
  EXPECT_FALSE(pool->Count(now).is_shedding);
}

TEST_F(PoolShedTest, EndsWhenNobodyIsLeft) {
  MakeWith(1);
  Overload();
  while (!pool->Count(now).is_shedding) Step(3);
  while (Waiting() > 0) Step(0);
  EXPECT_FALSE(pool->Count(now).is_shedding);
  Overload();
}

TEST_F(PoolShedTest, TellsTheWorkerOfEachThatIsShed) {
  MakeWith(1);
  Overload();
  while (!pool->Count(now).is_shedding) Step(3);
  Queue(1);
  const uint64_t elsewhere = waiters_.back()->owner_id;
  bool is_elsewhere_shed = false;
  for (int i = 0; i < 20; ++i) {
    Step(3);
    for (const auto& gone : shed_) {
      EXPECT_EQ(gone.worker, gone.owner_id == elsewhere ? 1u : 0u);
      is_elsewhere_shed |= gone.owner_id == elsewhere;
    }
  }
  EXPECT_TRUE(is_elsewhere_shed);
}

TEST_F(PoolShedTest, LeavesAQueueThatIsNoLongerThanThePool) {
  MakeWith(10);
  auto limits = pool->limits();
  limits.overload.target = Duration(80'000);
  pool->SetLimits(limits, now, orders);
  for (int i = 0; i < 9; ++i) Queue();
  // Ten wait when one of them is served; each has waited for 100 ms by then. One more is too many.
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(Step(1), 0u);
  EXPECT_EQ(Waiting(), 9u);
  Queue();
  size_t shed = 0;
  for (int i = 0; i < 200; ++i) shed += Step(1);
  EXPECT_EQ(shed, 1u);
}

TEST_F(PoolShedTest, AStallIsNotOverload) {
  MakeWith(1);
  Overload();
  while (!pool->Count(now).is_shedding) Step(3);
  const Duration stall{2'000'000};
  now += stall;
  const TimePoint back = now;
  while (now - back < stall + kInterval) EXPECT_EQ(Step(3), 0u) << (now - back).count();
  size_t shed = 0;
  for (int i = 0; i < 20; ++i) shed += Step(3);
  EXPECT_GT(shed, 0u);
}

TEST_F(PoolShedTest, APoolThatStillGrowsIsNotOverloaded) {
  MakeWith(1);
  auto limits = pool->limits();
  limits.size = 2;
  pool->SetLimits(limits, now, orders);
  Queue();
  ASSERT_EQ(orders.open.size(), 1u);
  const auto opening = orders.open.front();
  for (int i = 0; i < 300; ++i) EXPECT_EQ(Step(3), 0u);
  orders = {};
  pool->Opened(*opening, now, orders);
  size_t shed = 0;
  for (int i = 0; i < 120; ++i) shed += Step(3);
  EXPECT_GT(shed, 0u);
}

TEST_F(PoolShedTest, OffMeansOff) {
  auto limits = Limits(1);
  limits.max_waiting = 100'000;
  Make(limits);
  slots_.push_back(Lease(0));
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(Step(3), 0u);
}

}  // namespace
}  // namespace pool
