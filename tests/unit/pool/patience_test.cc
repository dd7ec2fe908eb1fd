#include "pool/patience.h"

#include <gtest/gtest.h>

#include "tests/unit/pool/pool_fixture.h"

namespace pool {
namespace {

constexpr Duration kSecond{1'000'000};

class PatienceTest : public ::testing::Test {
 protected:
  void Leave(Duration waited, int times = 1) {
    for (int i = 0; i < times; ++i) patience.OnLeft(waited, now += Duration(1'000));
  }
  Patience patience;
  TimePoint now{10 * kSecond};
};

TEST_F(PatienceTest, WhereNobodyOrHardlyAnybodyLeavesNothingIsKnown) {
  EXPECT_EQ(patience.Target(now), Duration(0));
  Leave(kSecond, kLeaversLeast - 1);
  EXPECT_EQ(patience.Target(now), Duration(0));
  Leave(kSecond);
  EXPECT_EQ(patience.Target(now), kSecond / 4);
}

TEST_F(PatienceTest, TheLessPatientCountMore) {
  for (int i = 0; i < 1'000; ++i) Leave(i % 4 == 0 ? kSecond : 10 * kSecond);
  EXPECT_GT(patience.Target(now), kSecond / 5);
  EXPECT_LT(patience.Target(now), kSecond * 2 / 3) << "a mean would be two seconds";
  Leave(10 * kSecond, 1'000);
  EXPECT_GT(patience.Target(now), 2 * kSecond) << "it follows those who are there now";
}

TEST_F(PatienceTest, WhoHasHardlyWaitedHasNotLostPatience) {
  Leave(kLeavesByChance - Duration(1), 100);
  EXPECT_EQ(patience.Target(now), Duration(0));
}

TEST_F(PatienceTest, ItIsForgottenUnlessThereAreSigns) {
  Leave(kSecond, kLeaversLeast);
  EXPECT_NE(patience.Target(now + kPatienceKept), Duration(0));
  EXPECT_EQ(patience.Target(now + kPatienceKept + Duration(1)), Duration(0));
  patience.OnShed(now + kPatienceKept);
  EXPECT_NE(patience.Target(now + 2 * kPatienceKept), Duration(0)) << "that nobody leaves any more is due to the shedding";
  now += 3 * kPatienceKept;
  Leave(5 * kSecond);
  EXPECT_EQ(patience.Target(now), Duration(0)) << "it begins anew";
}

class HopelessTest : public PoolTest {
 protected:
  // A pool of one that serves a waiter every 10 ms, `waiting` of them.
  void Serve(size_t waiting) {
    Make(Limits(1));
    slot = Lease(0);
    waiters.resize(waiting + 20);
    for (Waiter& waiter : waiters) Acquire(waiter);
    for (int i = 0; i < 20; ++i) {
      now += Duration(10'000);
      ASSERT_EQ(Release(*slot).kind, Next::kServe);
    }
  }
  ~HopelessTest() override {
    for (Waiter& waiter : waiters) Cancel(waiter);
  }
  static Waiter Patient(Duration patience, FlowKey flow = 0) {
    Waiter waiter = At(0);
    waiter.patience = patience;
    waiter.flow = flow;
    return waiter;
  }
  std::shared_ptr<Slot> slot;
  std::vector<Waiter> waiters;
};

TEST_F(HopelessTest, WhoWouldWaitInVainIsToldAtOnce) {
  Serve(10);
  Waiter waits = Patient(Duration(110'000)), would_not = Patient(Duration(90'000)), says_nothing = At(0);
  EXPECT_EQ(Acquire(would_not).kind, Acquired::kHopeless);
  EXPECT_EQ(would_not.state, WaiterState::kNone);
  EXPECT_EQ(Acquire(waits).kind, Acquired::kQueued);
  EXPECT_EQ(Acquire(says_nothing).kind, Acquired::kQueued);
  Cancel(waits);
  Cancel(says_nothing);
}

TEST_F(HopelessTest, NothingIsSaidAfterASilence) {
  Serve(10);
  now += kSecond;
  Waiter waiter = Patient(Duration(50'000));
  EXPECT_EQ(Acquire(waiter).kind, Acquired::kQueued);
  Cancel(waiter);
}

TEST_F(HopelessTest, AnotherFlowIsNotJudgedByTheOnesThatWait) {
  Serve(10);
  Waiter waiter = Patient(Duration(50'000), 7);
  EXPECT_EQ(Acquire(waiter).kind, Acquired::kQueued);
  Cancel(waiter);
}

TEST_F(HopelessTest, WhoGetsAServerAtOnceIsNotAsked) {
  Serve(0);
  now += Duration(10'000);
  EXPECT_EQ(Release(*slot).kind, Next::kIdle);
  Waiter waiter = Patient(Duration(1));
  EXPECT_EQ(Acquire(waiter).kind, Acquired::kLeased);
}

}  // namespace
}  // namespace pool
